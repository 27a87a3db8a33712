"""What a shard's schema is, in one form; whether two are the same; and what keeps them apart, as DDL."""
