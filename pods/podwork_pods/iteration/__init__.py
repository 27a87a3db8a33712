"""Iteration in a pod's shard: what is remembered of a run, and what it works through.

| module | owns |
| --- | --- |
| `schema` | the tables, in the same shard as the rows that are worked on |
| `run`, `runs` | runs: their states, orders and counts |
| `partition`, `partitions` | their parts, and how far each is |
| `leases` | who holds which, and how he gives it back |
| `taking`, `offers` | which partition is handed out next, and that one gets it |
| `quarantine` | items that failed and were left out |
| `statements` | how these tables are spoken to |
| `remembered`, `prepared` | the lock of a batch, and statements that are put into words once |
| `shard`, `transactions` | all of these of one pod, and the transactions in which runs work |

The road of a job, from above:

| module | owns |
| --- | --- |
| `iterations` | its entrance, called by the engine |
| `opening`, `task` | finding or making the run, checking it, cutting it into partitions |
| `shift` | taking partition after partition |
| `walk` | going through one: stop, wait, batch, leave |
| `batch`, `portion` | one batch, one transaction |
| `failing`, `trouble`, `leaving_out` | what follows from errors |
| `letting_go`, `course` | giving back; the run's states and hooks |
| `sizing`, `patience`, `splitting` | how many rows, how long, whose remainder |
| `keeper` | that every run has jobs in Redis |
| `rehearsal`, `redoing` | batches that are undone; items that were left out |
| `collections` | tables, selects, files and lists as collections |

Progress is committed with the work: a batch locks its partition's row, checks the lease epoch, writes, stores
the cursor and commits. Leaves to others: what an application declares (`podwork.iteration`), and what a
person does to runs (`control`).
"""
