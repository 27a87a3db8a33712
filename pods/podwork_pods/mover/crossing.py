"""What a runbook needs of the two pods of a passage: fences, jobs, rows, preflight, debts.

Owns: small protocols, named as the steps of `ops/docs/moves.md` are, and the signals of what will not do.
"here" is the source of the leg, "there" its target. Promises: every step may be done again, by the same mover
or by a later one; every step that writes refuses a mover after whom a later one has written there. Leaves to
others: the steps themselves (`joined`, which puts together the fences, `podwork.transfer` and `mover.rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from podwork_pods.mover.move import Move

Pulse = Callable[[str], None]
"""Called between the batches of a long step with what the step waits for, or "": says that the mover lives,
and raises if it is to stop, or has lost the move."""


class GivesWay(Exception):
    """Says that this cut-over will not do: it is undone, and tried again later."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class GivesUp(Exception):
    """Says that this move will not do: before the switch it is aborted."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class HasToWait(Exception):
    """Says that this move cannot begin yet: what is in its way passes by itself, and is looked at again."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class NoWayBack(Exception):
    """Says that the kept rows can neither be kept equal any more nor compared: there is no way back."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class CopyLost(Exception):
    """Says that rows cannot be followed from where they were copied: the copy is to be made anew."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class Found(NamedTuple):
    """What preflight has found: what stops the move, for people, and facts to keep with its row.

    `waits`: what is in its way, too, but passes by itself; then only a part has been looked at.
    """

    blockers: Sequence[str]
    facts: Mapping[str, Any]
    waits: Sequence[str] = ()


class Preflight(Protocol):
    """Looks at everything that could stop a move; changes nothing."""

    def look(self) -> Found:
        """Step 2."""
        ...


class Fences(Protocol):
    """The shop's fence rows in both shards.

    Each step raises FenceConflict if a later mover has written the row, or the fence's table has no such
    way, and FenceBusy if transactions hold it for longer than the lock budget.
    """

    def receive_there(self) -> None:
        """Step 4: the target is incoming, also one that an earlier mover has begun to fill."""
        ...

    def close_here(self) -> None:
        """Step 15: wait for transactions in flight, and turn away the later ones."""
        ...

    def open_there(self) -> None:
        """Step 21: writes go on."""
        ...

    def leave_here(self) -> None:
        """Steps 25, 29 and the end of 30: the shop is not here; what rows there are, are kept."""
        ...

    def reopen_here(self) -> None:
        """Step a2: writes go on, also if it looks open: a close may be on its way, and is then refused.

        If it is open, and a transaction that does not end holds it, it stays without the stamp.
        """
        ...

    def stay_open_here(self) -> None:
        """While a leg waits for its cut-over: a close that came late is undone; asks without a lock."""
        ...

    def stay_open_there(self) -> None:
        """While the move is reversible: likewise."""
        ...

    def purge_here(self) -> None:
        """Step 30: rows may be deleted, by this mover."""
        ...

    def purge_there(self) -> None:
        """Step a6, likewise."""
        ...

    def leave_there(self) -> None:
        """The end of a6; on leg 2 all of it: the kept rows stay."""
        ...


class Jobs(Protocol):
    """The shop's jobs and gates in both Redis.

    Each step raises PassageRefused, JobsHeld or JobsDiffer where it is refused: before the switch a
    cut-over then gives way, after it the step is repeated.
    """

    def hold_there(self) -> None:
        """Step 11: the target's gate is on hold."""
        ...

    def pause_here(self) -> None:
        """Step 12: nothing of the shop starts; holders are asked to yield."""
        ...

    def still_held(self) -> Sequence[str]:
        """Name the jobs that processes hold, for people; when there are none, they may be brought."""
        ...

    def bring(self, pulse: Pulse) -> None:
        """Step 13: jobs, locks and ended ids, page by page."""
        ...

    def hold_here(self) -> None:
        """Step 16: pushes wait."""
        ...

    def bring_last(self) -> None:
        """Step 18: what came since, and what is gone; refused unless both manifests agree."""
        ...

    def check_gates(self) -> None:
        """The look before step 20: refused unless both gates are on hold, by this mover."""
        ...

    def leave_here(self) -> None:
        """Step 22: both gates again, what came since 18 is brought, the source's jobs are dropped."""
        ...

    def pass_there(self) -> None:
        """Step 23: jobs go on."""
        ...

    def sweep_here(self) -> None:
        """Step 26: what is still among the source's jobs is dropped if it was brought, else pushed on."""
        ...

    def pass_here(self) -> None:
        """Step a3: jobs go on where they were."""
        ...

    def close_there(self) -> None:
        """Step a4: the target's gate says that the shop is not there."""
        ...

    def drop_there(self) -> None:
        """Step a5: what was brought is dropped; what came there by itself is pushed to the source."""
        ...


class Rows(Protocol):
    """The shop's rows in both shards; every batch holds the fence of the shard that it writes.

    Steps 5 to 8 raise CopyLost where the source's log is lost, or another server's; on leg 2, where nothing
    is copied, GivesUp.
    """

    def follow(self, since: str, /) -> None:
        """Step 5: note the shop's changed keys from the stored position on.

        If none is stored: from the snapshot's; on leg 2, where nothing is copied, from `since`, which the
        switch has stored with it (`feed.position`).
        """
        ...

    def begin_anew(self, pulse: Pulse) -> None:
        """After CopyLost: take away what was copied, and follow from a new snapshot on."""
        ...

    def copy(self, pulse: Pulse) -> None:
        """Step 6: every table from its cursor."""
        ...

    def apply(self, pulse: Pulse) -> int:
        """Step 7: one round; return how many keys it brought, so that one knows when little is left."""
        ...

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8: name what differs, for people; nothing, if both sides are equal."""
        ...

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:
        """Step 7, and a look at touched keys, so that few are left for 17; raises GivesUp if a table changed.

        `in_haste`: in the cut-over, at no pace; raises GivesWay where the log is lost.
        """
        ...

    def apply_last(self) -> None:
        """Step 17: up to a position read now; raises GivesUp if keys that changed differ, or a table did."""
        ...

    def position_there(self) -> str:
        """Step 19: where the way back begins in the target's log, before it opens."""
        ...

    def let_relay(self) -> None:
        """Step 24: rows of the outbox that travelled wait for the target's relay now."""
        ...

    def feed(self, since: str, pulse: Pulse, /) -> int:
        """Step 29: one round from the target to the kept rows, as `apply`; `since`: as for `follow`.

        Raises NoWayBack where the target's log cannot be followed any more.
        """
        ...

    def stale_here(self, since: str, pulse: Pulse) -> Sequence[str]:
        """Before step 30: name what differs between the shop and its kept rows, though they were just fed.

        Raises NoWayBack, as `feed`.
        """
        ...

    def purge_here(self, pulse: Pulse, check: Callable[[], None]) -> None:
        """Step 30: delete the shop's rows in small batches; each calls `check` first, which may refuse."""
        ...

    def purge_there(self, pulse: Pulse) -> None:
        """Step a6, likewise, of a target that never opened."""
        ...

    def forget_there(self) -> None:
        """Step 30: forget how far the copy had come; only where none can follow any more."""
        ...


class Debts(Protocol):
    """What backfills over whole pods owe the shop, and what keeps migrations out of the cut-over."""

    def settle_first(self) -> None:
        """Step 3: both pods' runs leave the shop out; what they owe it becomes a run of its own."""
        ...

    def enter_transit(self) -> None:
        """Before step 15: no migration begins on either pod from now on; raises GivesWay if one has."""
        ...

    def leave_transit(self) -> None:
        """When a cut-over gives way: migrations may begin until it is tried again."""
        ...

    def settle_last(self) -> None:
        """Steps 27 and a7: once more for what began meanwhile; where the shop lives, the pod's runs see it
        again, and where rows of it are kept, they do not.
        """
        ...

    def settle_purged(self) -> None:
        """Step 30: nothing is kept here any more that the pod's runs would have to leave out."""
        ...


@dataclass(frozen=True, slots=True)
class Crossing:
    """Everything that the steps of one leg are done with, under one mover epoch."""

    preflight: Preflight
    fences: Fences
    jobs: Jobs
    rows: Rows
    debts: Debts
    close: Callable[[], None]
    """Called when the mover has no use for it any more: what it follows is left."""
    why_unsure: Callable[[], str] = str
    """Says why this process may not know the pods as they are now; "": it does."""


CrossingOf = Callable[[Move], Crossing]
"""Makes it for a move as it was drawn; connects nothing."""
