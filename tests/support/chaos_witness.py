"""What really happened to the migrations of a fleet, written down by its database and judged afterwards.

Triggers on podwork's own tables write every change of a ledger and of a line into a journal, in the
transaction that makes it: who had the line by which epoch, whether somebody held the server's lock then, and
by which connection the step was taken. Nothing of the product reads or writes the journal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tests.support.pods import server_connection, sibling_database

_NOW = "UNIX_TIMESTAMP(SYSDATE(6))"
_TABLES = (
    "CREATE TABLE {journal}.changes (seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, pod INT NOT NULL, "
    "at DOUBLE NOT NULL, version VARCHAR(14), state VARCHAR(16), attempts INT, lease_epoch BIGINT, "
    "lease_owner VARCHAR(255), epoch BIGINT, owner VARCHAR(255))",
    "CREATE TABLE {journal}.steps (seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, pod INT NOT NULL, "
    "at DOUBLE NOT NULL, what VARCHAR(8), epoch BIGINT, owner VARCHAR(255), connection BIGINT, "
    "holder BIGINT)",
)
_CHANGE = (
    "INSERT INTO {journal}.changes "
    "(pod, at, version, state, attempts, lease_epoch, lease_owner, epoch, owner) "
    f"SELECT {{pod}}, {_NOW}, NEW.version, NEW.state, NEW.attempts, NEW.lease_epoch, NEW.lease_owner, "
    "epoch, owner FROM {shard}.podwork_migration_line"
)
_TRIGGERS = (
    "CREATE TRIGGER {shard}.journal_begun AFTER INSERT ON {shard}.podwork_migrations FOR EACH ROW " + _CHANGE,
    "CREATE TRIGGER {shard}.journal_changed AFTER UPDATE ON {shard}.podwork_migrations FOR EACH ROW "
    "IF NEW.state <> OLD.state OR NEW.lease_epoch <> OLD.lease_epoch THEN " + _CHANGE + "; END IF",
    "CREATE TRIGGER {shard}.journal_step AFTER UPDATE ON {shard}.podwork_migration_line FOR EACH ROW "
    "IF NEW.epoch <> OLD.epoch OR NEW.heartbeat_at <> OLD.heartbeat_at THEN "
    "INSERT INTO {journal}.steps (pod, at, what, epoch, owner, connection, holder) "
    f"VALUES ({{pod}}, {_NOW}, IF(NEW.epoch <> OLD.epoch, 'enter', 'step'), NEW.epoch, NEW.owner, "
    "CONNECTION_ID(), IS_USED_LOCK('podwork.migrations.{shard}')); END IF",
)
TRIGGERS = frozenset({"journal_begun", "journal_changed", "journal_step"})


class Change(NamedTuple):
    """A ledger's row when it came, or got another state or owner; `epoch`, `owner`: the line's then."""

    pod: int
    at: float
    version: str
    state: str
    attempts: int
    lease_epoch: int
    lease_owner: str
    epoch: int
    owner: str

    @property
    def is_open(self) -> bool:
        """Whether the migration is under way."""
        return self.state in ("running", "reverting")


class Step(NamedTuple):
    """A line's row when somebody entered, or took a step; `holder`: whose connection held the lock."""

    pod: int
    at: float
    what: str
    epoch: int
    owner: str
    connection: int
    holder: int | None


class Witness:
    """The journal of a fleet on one server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._journal = sibling_database(url, "journal").partition("?")[0].rpartition("/")[2]
        self._run([statement.format(journal=self._journal) for statement in _TABLES])

    def watch(self, pod: int, shard: str) -> None:
        """Write down from now on what happens in a pod's shard, which is a database of the server."""
        self._run([each.format(journal=self._journal, shard=shard, pod=pod) for each in _TRIGGERS])

    def changes(self) -> list[Change]:
        """All changes of ledgers; of one pod in their order."""
        return [Change(*row) for row in self._read("changes", Change._fields)]

    def steps(self) -> list[Step]:
        """All steps of lines; of one pod in their order."""
        return [Step(*row) for row in self._read("steps", Step._fields)]

    def _read(self, table: str, columns: Sequence[str]) -> list[Any]:
        with server_connection(self._url) as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {self._journal}.{table} ORDER BY seq")
            return list(cursor.fetchall())

    def _run(self, statements: Sequence[str]) -> None:
        with server_connection(self._url) as cursor:
            for statement in statements:
                cursor.execute(statement)


def check_lines(steps: Sequence[Step]) -> None:
    """Who was in a line held the lock when he entered, alone; no step was taken by who was not in it."""
    epochs: dict[int, int] = {}
    owners: dict[int, str] = {}
    holders: set[int] = set()
    process_of: dict[int, str] = {}
    for step in steps:
        if step.what == "enter":
            assert step.epoch == epochs.get(step.pod, 0) + 1, f"an epoch that does not follow: {step}"
            assert step.holder is not None, f"in the line without the lock: {step}"
            assert step.holder not in holders, f"in the line by the lock of another turn: {step}"
            holders.add(step.holder)
            epochs[step.pod], owners[step.pod] = step.epoch, _process(step.owner)
            process_of[step.connection] = owners[step.pod]
        else:
            assert step.epoch == epochs[step.pod], f"a step under an epoch that is over: {step}"
            taken_by = process_of.setdefault(step.connection, owners[step.pod])
            assert taken_by == owners[step.pod], f"a step of {taken_by}, who has lost the line: {step}"


def check_ledgers(changes: Sequence[Change], versions: Sequence[str]) -> None:
    """On every pod one migration at a time, each of them applied once, in the order of their versions."""
    of_pod: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        of_pod[change.pod].append(change)
    for pod, own in of_pod.items():
        open_: str | None = None
        for change in own:
            if change.is_open:
                assert open_ in (None, change.version), f"{change} while {open_} is under way"
                open_ = change.version
                continue
            assert open_ == change.version, f"{change}, which was not under way"
            assert (change.lease_epoch, change.lease_owner) == (change.epoch, change.owner), change
            open_ = None
        assert [change.version for change in own if change.state == "applied"] == list(versions), pod
        for before, after in pairwise(own):
            assert before.epoch <= after.epoch, f"{after} after {before}"


class Times(NamedTuple):
    """When a pod began and ended a migration."""

    began: float
    ended: float


def times_of(changes: Sequence[Change]) -> dict[tuple[int, str], Times]:
    """Return when each pod began each version first, and when it had applied it."""
    found: dict[tuple[int, str], Times] = {}
    for change in changes:
        key = (change.pod, change.version)
        began = found[key].began if key in found else change.at
        found[key] = Times(began, change.at if change.state == "applied" else float("inf"))
    return found


def check_waves(
    changes: Sequence[Change],
    waves: Mapping[int, int],
    legs: Mapping[str, int],
    watch_seconds: Mapping[int, float],
) -> None:
    """No pod began before all of the wave before it were done, and had been watched; likewise by legs."""
    times = times_of(changes)
    rounds: dict[tuple[int, int], list[Times]] = defaultdict(list)
    for (pod, version), both in times.items():
        rounds[legs[version], waves[pod]].append(both)
    for before, after in pairwise(sorted(rounds)):
        done = max(both.ended for both in rounds[before])
        began = min(both.began for both in rounds[after])
        watched = watch_seconds[before[1]]
        assert began >= done + watched, f"{after} began {began - done:.3f} s after {before}, not {watched}"


def check_width(changes: Sequence[Change], most: int) -> int:
    """No more pods than may were in the middle of a migration when another one began; return the most."""
    open_: dict[int, Change] = {}
    widest = 0
    for change in sorted(changes, key=lambda each: each.at):
        is_beginning = change.is_open and change.pod not in open_
        if change.is_open:
            open_[change.pod] = change
        else:
            open_.pop(change.pod, None)
        width = sum(each.attempts == 1 for each in open_.values())  # what a person retried asks nobody
        widest = max(widest, width)
        assert not (is_beginning and change.attempts == 1 and width > most), f"{change} beside {open_}"
    return widest


def _process(owner: str) -> str:
    """Return host and pid of an owner `host:pid:job`."""
    return ":".join(owner.split(":")[:2])
