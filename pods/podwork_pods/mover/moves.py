"""The moves as they stand in the directory's database: planned, taken over, and driven from state to state.

Owns: `Moves`: what movers write to a move's row, and reading moves. Promises: a shop has one move at a time
that has not ended (`open_shop`); a mover epoch is drawn in the transaction that reads the state, from one
counter for all moves, so that nobody had it before (`moves.draw`); nobody but the latest mover changes the
row (`moves.mover`, `switch.mover`), and only by the table of states (`moves.state`). Works on MariaDB,
MySQL and SQLite alike. Leaves to others: what people order (`orders`), and what is done in a state
(`runbook`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from podwork.interfaces import Route
from podwork.points import reach
from podwork_pods.directory import Directory, changes, extents, switch
from podwork_pods.directory.schema import MOVER_EPOCHS, counters
from podwork_pods.errors import UnknownShop
from podwork_pods.mover import changing, events, schema
from podwork_pods.mover.changing import NOTHING, Author
from podwork_pods.mover.errors import InvalidMove, MoveLost, MoveUnderWay
from podwork_pods.mover.events import NAME_CHARACTERS, Event, clipped
from podwork_pods.mover.move import Move, Wanted, read_move
from podwork_pods.mover.schema import moves
from podwork_pods.mover.states import By, MoveState

_OPEN = moves.c.open_shop.is_not(None)


class Moves:
    """The moves of all pods. Every method may raise `DirectoryUnavailable`."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def prepare(self) -> None:
        """Make the directory's tables and those of moves, as far as they are missing."""
        self.directory.create_schema(schema.create)

    def plan(self, wanted: Wanted, *, dry_run: bool = False) -> Move:
        """Write a new move from where the shop is now; `dry_run`: undo it, and return what it would be.

        Raises:
            InvalidMove: the shop is on that pod, or a limit is none.
            MoveUnderWay: it has a move that has not ended.
            UnknownShop, InvalidShop: there is no such shop.
        """
        write = self.directory.rehearse if dry_run else self.directory.write
        return write(lambda connection: self.plan_in(connection, wanted))

    def plan_in(self, connection: Connection, wanted: Wanted) -> Move:
        """As `plan`, in a transaction of the caller's, which then has the lock of the change log."""
        extents.check_number(wanted.shop_id)
        _check_limits(wanted)
        changes.lock(connection)
        open_move = connection.execute(select(moves.c.id).where(moves.c.open_shop == wanted.shop_id)).scalar()
        if open_move is not None:
            raise MoveUnderWay(wanted.shop_id, open_move)
        route = switch.locate(connection, wanted.shop_id)
        if route is None:
            raise UnknownShop(wanted.shop_id)
        if route.pod_id == wanted.to_pod:
            raise InvalidMove(wanted.shop_id, f"it is on pod {wanted.to_pod}", "name another pod")
        return self._insert(connection, wanted, route)

    def draw(self, move_id: int, owner: str, after: int | None = None) -> Move:
        """Take a move over, or go on with it in doubt: draw a mover epoch, and read the state; one
        transaction.

        What an earlier mover has sent, and what this one sent before, is refused from then on wherever the
        new epoch has been written. A move that has ended is returned as it is, and nothing is drawn.

        Args:
            move_id: the move. owner: the mover, for people; another one has another name.
            after: of a mover in doubt, the mover epoch that it has; what is another's it does not take back.

        Raises:
            UnknownMove: there is none.
            MoveLost: it is another's since `after`.
        """

        def change(connection: Connection) -> Move:
            found = changing.locked(connection, move_id)
            is_ours = found.mover_epoch == after or found.owner == clipped(owner, NAME_CHARACTERS)
            if after is not None and not is_ours:
                raise MoveLost(move_id, after, found.mover_epoch)
            if found.state.is_over:
                return found
            epoch = _draw_epoch(connection)
            now = self._now()
            taken = {"mover_epoch": epoch, "owner": clipped(owner, NAME_CHARACTERS), "heartbeat": now}
            connection.execute(update(moves).where(moves.c.id == move_id).values(taken))
            if found.owner not in ("", taken["owner"]):
                _tell_take_over(connection, found, epoch, owner, now)
            reach("moves.drawing")
            return changing.get(connection, move_id)

        return self.directory.write(change)

    def draw_for(self, shop_id: int) -> int | None:
        """Draw a mover epoch for a shop that has no move under way, to sweep up; None: it has one.

        A move that is planned later draws a later one, so that a sweeper that is late is refused by it.
        """

        def change(connection: Connection) -> int | None:
            changes.lock(connection)
            if connection.execute(select(moves.c.id).where(moves.c.open_shop == shop_id)).first():
                return None
            return _draw_epoch(connection)

        return self.directory.write(change)

    def advance(self, move: Move, to: MoveState, who: str, why: str, **values: Any) -> Move:
        """Put the move into its next state, as its mover; return it as it is then.

        Args:
            move: as its mover knows it: what counts is the mover epoch.
            to: the state. who: the mover, for people. why: for people.
            values: further columns of `schema.moves`.

        Raises:
            MoveLost: another mover has been drawn.
            MoveConflict: it is in another state: a person has ordered something.
        """

        def change(connection: Connection) -> Move:
            found = changing.locked(connection, move.id)
            author = Author(who, By.MOVER, move.mover_epoch)
            return changing.change_state(connection, found, to, author, self._now(), why, values)

        return self.directory.write(change)

    def switch(self, move: Move, who: str) -> Move:
        """Step 20, the commit point: the shop's row, the move's, change log and event, in one transaction.

        Raises:
            MoveLost, MoveConflict: as `advance`; the shop is where it was.
            DirectoryConflict: the shop is not where the move has found it.
        """
        passage, now = move.passage, self._now()
        why = f"pod {passage.target} has the shop, at epoch {passage.epoch + 1}"

        def change_move(connection: Connection) -> None:
            found = changing.get(connection, move.id)
            author = Author(who, By.SWITCH, move.mover_epoch)
            changing.change_state(connection, found, MoveState.SWITCHED, author, now, why)
            reach("moves.switching")

        def change(connection: Connection) -> Move:
            switch.compare_and_set(
                connection, passage.shop_id, move.route_before, passage.target, now, change_move
            )
            return changing.get(connection, move.id)

        return self.directory.write(change)

    def beat(self, move: Move, throttle_reason: str = "") -> None:
        """Say that the move's mover is at work, and what it waits for. Raises MoveLost."""
        values = {"heartbeat": self._now(), "throttle_reason": clipped(throttle_reason)}
        self._note(move, values)

    def rest(self, move: Move, seconds: float, reason: str = "") -> None:
        """Say that the mover lets go of the move, why, and that somebody will be there in so many seconds.

        A mover that has lost it meanwhile lets go of nothing.
        """
        values = {"owner": "", "heartbeat": self._now() + seconds, "throttle_reason": clipped(reason)}
        self.directory.write(lambda connection: changing.note(connection, move.id, move.mover_epoch, values))

    def note_found(self, move: Move, found: dict[str, Any]) -> None:
        """Write what preflight has found. Raises MoveLost."""
        self._note(move, {"found": events.encoded(found), "heartbeat": self._now()})

    def note_compared(self, move: Move) -> Move:
        """Write that the kept rows may go: a successor may find nothing to compare. Raises MoveLost."""
        self._note(move, {"stale_accepted": True, "heartbeat": self._now()})
        return replace(move, stale_accepted=True)

    def close_way_back(self, move: Move, who: str, why: str) -> Move:
        """Write why there is no way back any more; return the move as it is then. Raises MoveLost."""

        def change(connection: Connection) -> Move:
            found = changing.locked(connection, move.id)
            values = {"back_closed": clipped(why)}
            if not changing.note(connection, move.id, move.mover_epoch, values):
                raise MoveLost(move.id, move.mover_epoch, found.mover_epoch)
            events.append(
                connection,
                move.id,
                at=self._now(),
                mover_epoch=found.mover_epoch,
                who=who,
                why="there is no way back any more",
                before=found.state,
                after=found.state,
                what=values,
            )
            return changing.get(connection, move.id)

        return self.directory.write(change)

    def get(self, move_id: int) -> Move:
        """Return a move. Raises UnknownMove."""
        return self.directory.read(lambda connection: changing.get(connection, move_id))

    def of_shop(self, shop_id: int) -> Move | None:
        """Return the shop's latest move."""
        query = select(moves).where(moves.c.shop_id == shop_id).order_by(moves.c.id.desc()).limit(1)
        found = self._moves(query)
        return found[0] if found else None

    def page(
        self,
        *,
        states: Collection[MoveState] | None = None,
        pod_id: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Move]:
        """Return up to `limit` moves, the latest first, each with a lower number than `before`.

        `states`: only those in one of them. `pod_id`: only those that leave the pod or come to it.
        """
        query = select(moves).order_by(moves.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(moves.c.state.in_(states))
        if pod_id is not None:
            query = query.where((moves.c.home_pod == pod_id) | (moves.c.away_pod == pod_id))
        if before is not None:
            query = query.where(moves.c.id < before)
        return self._moves(query)

    def silent(self, since: float, limit: int = 1000) -> list[Move]:
        """Return moves that have not ended and whose heartbeat is older, the longest silent first."""
        query = select(moves).where(_OPEN, moves.c.heartbeat < since)
        return self._moves(query.order_by(moves.c.heartbeat).limit(limit))

    def events(self, move_id: int, after: int = 0, limit: int = 1000) -> list[Event]:
        """Return up to `limit` lines of the move's log after number `after`, in order."""
        return self.directory.read(partial(events.of_move, move_id=move_id, after=after, limit=limit))

    def _insert(self, connection: Connection, wanted: Wanted, route: Route) -> Move:
        now = self._now()
        row: dict[str, Any] = {
            "shop_id": wanted.shop_id,
            "open_shop": wanted.shop_id,
            "home_pod": route.pod_id,
            "away_pod": wanted.to_pod,
            "leg": 1,
            "source_epoch": route.epoch,
            "state": MoveState.PLANNED,
            "max_block_seconds": wanted.max_block_seconds,
            "grace_seconds": wanted.grace_seconds,
            "stale_accepted": False,
            "is_rehearsal": wanted.is_rehearsal,
            "held": wanted.held,
            "held_reason": "it was planned to be held" if wanted.held else "",
            "wanted_by": clipped(wanted.wanted_by, NAME_CHARACTERS),
            "reason": clipped(wanted.reason),
            "times": events.encoded({MoveState.PLANNED: now}),
            "found": "{}",
            "created": now,
            **dict.fromkeys(("mover_epoch", "heartbeat", "tries"), 0),
            **dict.fromkeys(("owner", "throttle_reason", "back_position", "back_closed"), ""),
        }
        key = connection.execute(insert(moves).values(row)).inserted_primary_key
        assert key is not None
        events.append(
            connection,
            key[0],
            at=now,
            mover_epoch=0,
            who=wanted.wanted_by,
            why=wanted.reason,
            before="",
            after=MoveState.PLANNED,
            what={"from_pod": route.pod_id, "to_pod": wanted.to_pod, "epoch": route.epoch},
        )
        return changing.get(connection, key[0])

    def _note(self, move: Move, values: dict[str, Any]) -> None:
        def change(connection: Connection) -> None:
            if not changing.note(connection, move.id, move.mover_epoch, values):
                latest = changing.get(connection, move.id).mover_epoch
                raise MoveLost(move.id, move.mover_epoch, latest)

        self.directory.write(change)

    def _moves(self, query: Select[Any]) -> list[Move]:
        return self.directory.read(lambda connection: [read_move(row) for row in connection.execute(query)])

    def _now(self) -> float:
        return self.directory.clock.now()


def _check_limits(wanted: Wanted) -> None:
    if not 0 < wanted.max_block_seconds <= 3600:
        raise InvalidMove(
            wanted.shop_id, f"{wanted.max_block_seconds} s are no time to block it", "give 1 to 3600 seconds"
        )
    if wanted.grace_seconds is not None and wanted.grace_seconds < 0:
        raise InvalidMove(wanted.shop_id, "its grace would be over before it began", "give seconds from 0")


def _draw_epoch(connection: Connection) -> int:
    """Return a number that no mover had; the log has to be locked."""
    row = counters.c.name == MOVER_EPOCHS
    epoch = int(connection.execute(select(counters.c.value).where(row).with_for_update()).scalar_one()) + 1
    connection.execute(update(counters).where(row).values(value=epoch))
    return epoch


def _tell_take_over(connection: Connection, found: Move, epoch: int, owner: str, now: float) -> None:
    events.append(
        connection,
        found.id,
        at=now,
        mover_epoch=epoch,
        who=owner,
        why=f"taken over from {found.owner}",
        before=found.state,
        after=found.state,
        what=NOTHING,
    )
