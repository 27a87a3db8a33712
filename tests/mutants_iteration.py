"""The guards of iteration in a shard that its promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "pods/podwork_pods/iteration"
_PARTITIONS = "tests/contract/test_pods_iteration.py"
_RUNS = "tests/contract/test_pods_iteration_runs.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str = _PARTITIONS) -> Guard:
    return (f"iteration: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _code("lease epoch at the lock", "partitions", "if found.lease_epoch != partition.lease_epoch:", "if False:"),
    _code("state at the lock", "partitions", "if found.state is not PartitionState.RUNNING:", "if False:"),
    _code("forced at the lock", "partitions", "if forced is None or found.lease_forced < forced:", "if False:"),
    _code("the lock holds", "partitions", ".where(*_THIS).with_for_update()", ".where(*_THIS)"),
    _code("the lock spares the run", "partitions", "_FORCED.scalar_subquery()", "_FORCED.with_for_update().scalar_subquery()"),
    _code("lease epoch of a change", "partitions", '    _COLUMN.lease_epoch == bindparam("under_epoch"),\n', '    bindparam("under_epoch") == bindparam("under_epoch"),\n'),
    _code("state of a change", "partitions", "    _COLUMN.state == PartitionState.RUNNING,\n)", ")"),
    _code("revision of a batch", "partitions", '_COLUMN.revision == bindparam("at_revision")', 'bindparam("at_revision") == bindparam("at_revision")'),
    _code("revision after a split", "partitions", '"revision": found.revision + 1, ', ""),
    _code("a split of what is over", "partitions", "if found.state not in (PartitionState.WAITING, PartitionState.RUNNING):", "if False:"),
    _code("a split into nothing", "partitions", "if cut is None or key(cut) in (key(start), key(found.slice.upto)):", "if cut is None:"),
    _code("attempts reset on progress", "partitions", '            "attempts": 0,\n', ""),
    _code("lease epoch at the taking", "taking", "_COLUMN.lease_epoch == seen.lease_epoch, ", ""),
    _code("state at the taking", "taking", ", _COLUMN.state == seen.state", ""),
    _code("renewed before the taking", "taking", "if offer.if_not_leased_since is not None:", "if False:"),
    _code("a locked row is set aside", "taking", "locked.add(offer.seen.number)", "raise"),
    _code("takers hold no lock", "statements", "with unprepared(self.pod_id), self._engine().begin() as connection:", "with unprepared(self.pod_id), self._engine().begin() as connection, self._engine().begin():", _PARTITIONS),
    _code("one slot once", "schema", '"run_id", "slot", unique=True)', '"run_id", "slot")'),
    _code("names are exact", "schema", '"mysql_collate": "utf8mb4_bin"', '"mysql_collate": "utf8mb4_general_ci"', _RUNS),
    _code("a run that stops hands out nothing", "offers", "if limits.state not in HANDS_OUT:", "if False:"),
    _code("slots below the limit", "offers", "held.slot < limits.parallel", "True"),
    _code("forced ones are free", "offers", " or held.lease_forced < limits.forced", ""),
    _code("no row is left", "runs", 'if connection.execute(_UNFINISHED, {"run_id": run_id}).first() is not None:', "if False:"),
    _code("who may succeed", "runs", "if RunState.SUCCEEDED not in states.WAYS[run.state]:", "if False:"),
    _code("the run's lock", "runs", "_LOCK = _READ.with_for_update()", "_LOCK = _READ"),
    _code("who makes a run is not locked out", "runs", 'made = connection.execute(_READ, {"run_id": run.id}).first()', 'made = connection.execute(_LOCK, {"run_id": run.id}).first()', _RUNS),
    _code("ways of the table", "runs", "states.check(run_id, run.state, to)", "pass", _RUNS),
    _code("success is the end's", "runs", "if to is RunState.SUCCEEDED:", "if False:", _RUNS),
    _code("revision of a run", "runs", "if revision is not None and run.revision != revision:", "if False:", _RUNS),
    _code("revision without a lock", "runs", ", runs.c.revision == run.revision)", ")", _RUNS),
    _code("over for good", "runs", "if not states.WAYS[run.state]:", "if False:", _RUNS),
    _code("a force voids leases", "runs", ", forced=run.forced + 1)", ")"),
    _code("the limit of quarantine", "quarantine", ", runs.c.quarantined < limit)", ")", _RUNS),
    _code("retried once", "quarantine", "        this = update(quarantined).where(quarantined.c.id == item.id, quarantined.c.retried.is_(None))\n        if", "        this = update(quarantined).where(quarantined.c.id == item.id)\n        if", _RUNS),
]  # fmt: skip
