"""The read side of one pod: counts, ages, lists, processes and single jobs.

`Inspection` is the door; `Filter` says which jobs are meant. Nothing here changes anything.
"""

from podwork.inspection.filters import Filter, InvalidFilter
from podwork.inspection.inspection import Inspection
from podwork.inspection.paging import InvalidCursor
from podwork.inspection.states import (
    STATES,
    Counts,
    DeadGroup,
    DeadGroups,
    Group,
    Groups,
    HeldJob,
    JobState,
    Page,
    ProcessState,
    QueueState,
    State,
)

__all__ = [
    "STATES",
    "Counts",
    "DeadGroup",
    "DeadGroups",
    "Filter",
    "Group",
    "Groups",
    "HeldJob",
    "Inspection",
    "InvalidCursor",
    "InvalidFilter",
    "JobState",
    "Page",
    "ProcessState",
    "QueueState",
    "State",
]
