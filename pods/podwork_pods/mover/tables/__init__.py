"""Which tables travel with a shop, and what in them would stop a move.

| module | owns |
| `declaration` | `ShopTables`: what the application says of its tables; `own`: podwork's own ones |
| `table` | `MovedTable`: columns, key, and which rows are the shop's |
| `catalogue` | `read`: the tables of a declaration as a database has them, parents first (`order`) |
| `facts`, `mysql_facts`, `sqlite_facts` | what a database says of its tables |
| `keys`, `walking` | the key along which a table is walked, spans of it, its conditions in SQL |
| `blockers` | `find`: everything that stops a move, each a `Blocker` with its remedy |
| `schema_blockers`, `differing`, `server_blockers` | of them, those of one schema, of two, of servers |
| `row_blockers`, `clashes`, `references` | of them, those of rows |
| `digests`, `values` | values that mean the same on both sides, and digests of rows |
| `size` | how much a shop's rows are |
"""
