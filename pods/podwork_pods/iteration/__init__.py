"""Iteration in a pod's shard: what is remembered of a run, and what it works through.

| module | owns |
| --- | --- |
| `schema` | the tables, in the same shard as the rows that are worked on |
| `run`, `runs` | runs: their states, orders and counts |
| `partition`, `partitions` | their parts, who holds which, and how far each is |
| `taking`, `offers` | which partition is handed out next, and that one gets it |
| `quarantine` | items that failed and were left out |
| `statements` | how these tables are spoken to |
| `collections` | tables, selects, files and lists as collections |

Progress is committed with the work: a batch locks its partition's row, checks the lease epoch, writes, stores
the cursor and commits. Leaves to others: the loop, and what an application declares (`podwork.iteration`).
"""
