"""Lists of jobs over one pod or several, and the dead counted by their errors.

Owns: a list's road from pod to pod, its cursor (the pod, then the cursor there), and how both lists are
written. Promises: a list stops at its limit, or when it has looked at `MOST_LOOKED_AT` jobs, and says how it
goes on; a pod that does not answer is passed over, and named at the end. Leaves to others: the jobs of one
pod (`podwork.inspection`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from podwork.errors import PodworkError
from podwork.inspection import DeadGroup, Filter, InvalidCursor
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.job_rows import DEAD_COLUMNS, LIST_COLUMNS, first_line, list_row
from podwork_ops.cli.output import moment
from podwork_ops.cli.session import Session
from podwork_ops.composition import Platform

MOST_LOOKED_AT: Final = 100_000
"""How many jobs one command looks at: some seconds."""
PORTION: Final = 10_000


class Listed(NamedTuple):
    """Some jobs of a list, how it goes on (None: it has ended), and the pods that did not answer."""

    rows: list[dict[str, Any]]
    cursor: str | None
    looked_at: int
    failures: dict[int, PodworkError]


def read(platform: Platform, pods: Sequence[int], wanted: Filter, limit: int, cursor: str | None) -> Listed:
    """Return the next jobs of the list.

    Raises:
        InvalidCursor: it belongs to another list.
    """
    first, inner = _place(cursor, pods)
    rows: list[dict[str, Any]] = []
    failures: dict[int, PodworkError] = {}
    looked_at = 0
    for pod_id in sorted(pod for pod in pods if pod >= first):
        there = inner if pod_id == first else None
        while True:
            try:
                page = platform.inspection(pod_id).jobs(
                    wanted, there, limit - len(rows), most_looked_at=min(PORTION, MOST_LOOKED_AT - looked_at)
                )
            except InvalidCursor:
                raise
            except PodworkError as error:
                failures[pod_id] = error
                break
            rows += [list_row(pod_id, job) for job in page.jobs]
            looked_at += page.looked_at
            there = page.cursor
            if there is None:
                break
            if len(rows) == limit or looked_at >= MOST_LOOKED_AT:
                return Listed(rows, f"{pod_id}.{there}", looked_at, failures)
        following = [pod for pod in pods if pod > pod_id]
        if following and (len(rows) == limit or looked_at >= MOST_LOOKED_AT):
            return Listed(rows, f"{min(following)}.", looked_at, failures)
    return Listed(rows, None, looked_at, failures)


def write(session: Session, listed: Listed, wanted: Filter, pods: Sequence[int]) -> None:
    """Write the list, and how it goes on."""
    out = session.out
    if out.json:
        rows = [{name: value for name, value in row.items() if name != "note"} for row in listed.rows]
        out.document({"jobs": rows, "next_cursor": listed.cursor, "looked_at": listed.looked_at})
    elif listed.rows or not listed.failures:
        known = {"pod_id"} if len(pods) == 1 else set()
        known |= {"state"} if len(wanted.states) == 1 else set()
        columns = [column for column in LIST_COLUMNS if column.key not in known]
        out.rows("jobs", listed.rows, columns, empty="no job fits" if wanted != Filter() else "no jobs")
    if listed.cursor and not out.json:
        looked = "" if len(listed.rows) else f"looked at {listed.looked_at:,} jobs in vain; "
        out.message(f"{looked}more: --cursor {listed.cursor}")
    session.blame(listed.failures)


def write_dead_groups(session: Session, platform: Platform, pods: Sequence[int], wanted: Filter) -> None:
    """Write the dead that fit, counted by the fingerprint of their error, over all the pods."""
    answers, failures = ask_each(pods, lambda pod: platform.inspection(pod).dead_groups(wanted))
    rows = _merged({pod: answer.groups for pod, answer in answers.items()}, time.time())
    partial = [pod for pod, answer in answers.items() if answer.is_partial]
    out = session.out
    if out.json:
        out.document({"dead_groups": rows, "partial": bool(partial)})
    elif rows or not failures:
        out.rows("dead_groups", rows, DEAD_COLUMNS, empty="nobody is dead")
        if partial:
            out.message("some dead jobs were not looked at: the numbers are at least so high")
        elif rows:
            out.message("all of one: podctl jobs retry --fingerprint HEX --all-pods")
    session.blame(failures)


def _merged(groups: dict[int, Sequence[DeadGroup]], now: float) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for pod_id, there in groups.items():
        for group in there:
            row = rows.setdefault(
                group.fingerprint,
                {
                    "fingerprint": group.fingerprint or None,
                    "job_class": group.job_class,
                    "jobs": 0,
                    "pods": [],
                }
                | {"error": first_line(group.error), "first": group.first, "last": group.last},
            )
            if group.last > row["last"]:
                row |= {"error": first_line(group.error), "last": group.last}
            row |= {"first": min(row["first"], group.first), "jobs": row["jobs"] + group.jobs}
            row["pods"].append(pod_id)
    for row in rows.values():
        row |= {"first_seconds": now - row["first"], "last_seconds": now - row["last"]}
        row |= {"first": moment(row["first"]), "last": moment(row["last"])}
    return sorted(rows.values(), key=lambda row: (-row["jobs"], row["last_seconds"]))


def _place(cursor: str | None, pods: Sequence[int]) -> tuple[int, str | None]:
    """Return the pod where a list goes on, and the cursor there."""
    if cursor is None:
        return 0, None
    pod, dot, inner = cursor.partition(".")
    if not dot or not pod.isdecimal() or int(pod) not in pods:
        raise InvalidCursor("belongs to another list, or cannot be read")
    return int(pod), inner or None
