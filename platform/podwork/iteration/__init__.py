"""Iteration: long jobs over large collections that stop at any moment and go on exactly where they were.

| module | owns |
| --- | --- |
| `job` | what an application writes: `IterationJob` |
| `declaration` | a declared iteration job: checked, and made ready for a run |
| `methods`, `parameters` | the two halves of that check: what the methods take, what the attributes are |
| `collection` | the protocols of what is worked through, and the documented way to write one's own |
| `cursor` | positions as text, exactly |
| `states` | the states of a run, as one table |
| `pace` | how many rows at once, and how many a second |
| `progress` | how far a run is, and for how long it goes on |

A **run** is one execution of an iteration job. Its collection is cut into **partitions**, contiguous ranges
of keys; a **batch** of rows is one transaction on the shard, together with the **cursor** that it has
reached. Leaves to others: that transaction and the rows that remember a run (`podwork_pods.iteration`), which
knows SQL.
"""
