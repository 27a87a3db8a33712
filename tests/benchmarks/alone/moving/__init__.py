"""Two pods, a shop that trades, and movers, for `alone/moves.py`."""
