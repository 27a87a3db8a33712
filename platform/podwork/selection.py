"""Bulk actions on a frozen, counted set of jobs: what was shown is what is changed.

Owns: `Selections`, the frozen sets of one pod. `freeze` writes down the ids of all jobs that fit a filter,
`apply` acts on these and no others, some hundred at a time. Promises: jobs pushed since are not touched; each
id is acted on once, also if the process that applies is killed and another goes on: the action and its
removal from the list are one transaction; each job is changed only if it stands where the action is meant for
(`podwork.interventions`). What is left of a set is dealt with within `KEEP_SECONDS`, or forgotten. Leaves to
others: what fits (`podwork.inspection`), asking people.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from podwork import keys, record
from podwork.errors import PodworkError
from podwork.inspection.filters import Filter
from podwork.inspection.paging import fitting
from podwork.inspection.reading import Found
from podwork.interfaces import Clock, SystemClock
from podwork.interventions import PORTION
from podwork.points import reach
from podwork.store import Store

KEEP_SECONDS: Final = 6 * 3600
MOST_CHOSEN: Final = 200_000
"""How many ids one set has at most: about 8 MB of Redis."""
MOST_SHOPS: Final = 20
"""How many shops a selection counts by name, those with the most jobs."""
Verb = Literal["retry", "discard", "cancel", "move"]


class UnknownSelection(PodworkError):
    """Raised when a frozen set is named that is not there, or not any more."""

    def __init__(self, selection_id: str) -> None:
        self.selection_id = selection_id
        super().__init__(
            f"there is no selection {selection_id}",
            f"it is kept for {KEEP_SECONDS // 3600} hours; choose the jobs anew",
        )


class SelectionTaken(PodworkError):
    """Raised when a frozen set is being used for something else already."""

    def __init__(self, selection_id: str, action: str) -> None:
        self.selection_id = selection_id
        super().__init__(
            f"selection {selection_id} is there to {action}", "go on with that, or choose the jobs anew"
        )


class Action(NamedTuple):
    """What is done with each job: retry, discard, cancel, or move to `queue`."""

    verb: Verb
    queue: str = ""

    def __str__(self) -> str:
        return f"{self.verb} to {self.queue}" if self.queue else self.verb


class Selection(msgspec.Struct, frozen=True):
    """A frozen set: how many jobs, by what, and the digest of their ids.

    Not `is_whole`: more jobs fit than a set may have; these are the first. `shops` is how many shops they
    belong to, `by_shop` names those with the most.
    """

    id: str
    count: int
    digest: str
    filter: Filter
    owner: str
    created: float
    by_state: dict[str, int]
    by_class: dict[str, int]
    by_queue: dict[str, int]
    by_shop: dict[str, int]
    shops: int
    is_whole: bool


class Applied(NamedTuple):
    """What has become of a frozen set, by all who applied it, and how many jobs are left.

    `outcomes` counts what `podwork.interventions.Outcome.what` says.
    """

    outcomes: dict[str, int]
    left: int


class Selections:
    """The frozen sets of the pod whose Redis is `store`. Raises StoreUnavailable, StoreRefused."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    def freeze(
        self,
        wanted: Filter,
        *,
        owner: str = "",
        most: int = MOST_CHOSEN,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Selection:
        """Write down which jobs fit now. An empty set is not kept.

        Reads every job in the wanted states; one that changes its state meanwhile may be missed. `progress`
        is told how many were looked at.

        Raises:
            InvalidFilter: it can fit no job.
        """
        choice = _Choice(self._store, secrets.token_hex(6))
        for looked_at, (_, found) in enumerate(fitting(self._store, wanted), 1):
            if found is not None:
                if choice.count == most:
                    choice.is_whole = False
                    break
                choice.add(found)
            if looked_at % PORTION == 0:
                progress(looked_at)
        selection = choice.selection(wanted, owner, self._clock.now())
        if selection.count:
            choice.keep(msgspec.json.encode(selection))
        return selection

    def get(self, selection_id: str, action: Action | None = None) -> Selection:
        """Return a frozen set, which is to be used for the action.

        Raises:
            UnknownSelection: there is no such set (any more).
            SelectionTaken: somebody has begun to do something else with it.
        """
        note, begun = self._store.command("HMGET", keys.selection(selection_id), "note", "action")
        if note is None:
            raise UnknownSelection(selection_id)
        if action and begun and begun.decode() != str(action):
            raise SelectionTaken(selection_id, begun.decode())
        return msgspec.json.decode(note, type=Selection)

    def applied(self, selection_id: str) -> Applied:
        """Return what has become of a frozen set so far. Raises UnknownSelection."""
        flat, left = self._store.commands(
            ("HGETALL", keys.selection(selection_id)), ("LLEN", keys.chosen(selection_id))
        )
        if not flat:
            raise UnknownSelection(selection_id)
        fields = sorted((name.decode(), value) for name, value in zip(flat[::2], flat[1::2], strict=True))
        outcomes = {name[4:]: int(value) for name, value in fields if name.startswith("did:")}
        return Applied(outcomes, int(left))

    def apply(
        self, selection_id: str, action: Action, progress: Callable[[int], None] = lambda _: None
    ) -> Applied:
        """Act on each job of the set that nobody has acted on yet; `progress` is told how many are done.

        It may be called again, by anybody, after whatever has stopped it; also by two at once.

        Raises:
            UnknownSelection: there is no such set (any more).
            SelectionTaken: somebody has begun to do something else with it.
        """
        selection = self.get(selection_id, action)
        script, arguments = _call(action, selection.filter.states)
        words = (selection_id, str(action), PORTION, script, *arguments)
        left = selection.count
        while left:
            answer = self._store.call("apply", *words)
            if answer is None:
                raise UnknownSelection(selection_id)
            begun, left = answer
            if begun.decode() != str(action):
                raise SelectionTaken(selection_id, begun.decode())
            progress(selection.count - left)
            reach("selection.portion")
        return self.applied(selection_id)

    def drop(self, selection_id: str) -> None:
        """Forget a frozen set; what was done stays done."""
        self._store.command("DEL", keys.selection(selection_id), keys.chosen(selection_id))


class _Choice:
    """A set that is being frozen: writes ids down, and counts."""

    def __init__(self, store: Store, selection_id: str) -> None:
        self._store = store
        self._id = selection_id
        self._seen: set[str] = set()
        self._unwritten: list[str] = []
        self._counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("state", "class", "queue", "shop")
        }
        self._digest = hashlib.sha1(usedforsecurity=False)
        self.is_whole = True

    @property
    def count(self) -> int:
        """How many jobs are chosen so far."""
        return len(self._seen)

    def add(self, found: Found) -> None:
        """Choose a job, unless it was met before."""
        if found.id in self._seen:
            return
        self._seen.add(found.id)
        self._digest.update(found.id.encode())
        for name, value in _described(found):
            self._counts[name][value] += 1
        self._unwritten.append(found.id)
        if len(self._unwritten) == PORTION:
            self._store.call("choose", self._id, KEEP_SECONDS, "", *self._unwritten)
            self._unwritten = []

    def selection(self, wanted: Filter, owner: str, now: float) -> Selection:
        """Return what was chosen."""
        by = {name: dict(counts.most_common()) for name, counts in self._counts.items()}
        shops = dict(self._counts["shop"].most_common(MOST_SHOPS))
        return Selection(
            self._id, self.count, self._digest.hexdigest()[:12], wanted, owner, now,
            by["state"], by["class"], by["queue"], shops, len(self._counts["shop"]), self.is_whole,
        )  # fmt: skip

    def keep(self, note: bytes) -> None:
        """Write down what is not yet written, and what the set is: from now on it can be applied."""
        self._store.call("choose", self._id, KEEP_SECONDS, note, *self._unwritten)


def _described(found: Found) -> Iterable[tuple[str, str]]:
    yield "state", found.state
    yield "shop", found.id.partition("-")[2]
    try:
        head, encoded, _ = record.split(found.stored)
        yield "queue", head.queue
        yield "class", record.decode_payload(encoded).job_class
    except (ValueError, msgspec.DecodeError):
        yield "class", ""


def _call(action: Action, states: Sequence[str]) -> tuple[str, list[Any]]:
    """Return script and first arguments; if one state was asked for, jobs must still be in it."""
    state = states[0] if len(states) == 1 else ""
    match action.verb:
        case "retry":
            return "revive", [state]
        case "discard":
            return "cancel", ["dead", "discarded"]
        case "cancel":
            return "cancel", [state, "cancelled"]
        case "move":
            return "move_queue", [action.queue]
