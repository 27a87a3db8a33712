"""A process of its own for each job (`--isolate`): Resque's model inside a child's threads.

    child ──line, one a processor──> hatchery ──fork──> job process
      ^                                 │ Hatched, Died     │ its end, on a socket of the job's own
      └─────────────────────────────────┴───────────────────┘

A child has many threads, so it must not fork a job: the copy would have locks that nobody frees. Right at its
birth, still with one thread, it forks the *hatchery*, which has the application loaded, nothing connected,
and never a second thread. Its processors ask that for a process for each job, wait for its end, and make the
same transition as always: lease, fence and scripts know nothing of it, and a job process writes no state of a
queue. In the order in which a job meets them: `isolation` (what a child and its processors hold), `words`
(what is said), `hatchery`, `job_process`, `ends` (how the end of a run gets back), `flags` (the wish to
stop), `tether` (nobody outlives its parent).
"""
