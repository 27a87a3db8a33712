"""The rules, a file a group; `catalogue` has them all in one order."""
