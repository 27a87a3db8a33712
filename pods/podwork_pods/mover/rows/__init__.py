"""A shop's rows on their way: copied, kept up with, deleted. The rules are in `ops/docs/moves.md`."""
