"""Recurring schedules: jobs that each pod runs again and again, whoever leads it and whatever its clock does.

| module | owns |
| `rhythm` | at which moments a schedule has slots: cron, interval, computed interval |
| `declaration`, `catalogue`, `file` | what a schedule is, and where an application declares it |
| `plan` | the rule by which slots become jobs: catch-up, late leaders, clocks that jump |
| `entry`, `ledger` | what a pod remembers of its schedules, and the scripts that change it |
| `registration` | how declarations of a new revision come into that memory |
| `jitter`, `service_level` | how much later a job is due; how often it has to succeed |
| `ticker` | the thread that does it |
| `schedules` | what operators see and change |

Leaves to others: running the jobs, which are like any other job of the pod.
"""
