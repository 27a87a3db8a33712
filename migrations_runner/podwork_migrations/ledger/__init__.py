"""What ran in a shard: its table, its rows, their states, and how they are changed."""
