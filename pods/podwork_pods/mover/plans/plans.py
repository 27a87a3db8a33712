"""Plans of moves, as people ask for them.

Owns: `MovePlans`: making, pausing, resuming, cancelling and reading plans. Promises: an order is one
transaction under the plan's lock, with a line in its log that says who and why; what has begun goes on,
whatever is ordered. Leaves to others: which shops (`selection`), and beginning their moves (`turns`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from podwork_pods.directory import Directory
from podwork_pods.mover import schema
from podwork_pods.mover.events import NAME_CHARACTERS, clipped
from podwork_pods.mover.plans import rows, states
from podwork_pods.mover.plans.errors import InvalidMovePlan, MovePlanConflict
from podwork_pods.mover.plans.plan import MovePlan, PlannedShop, PlanOptions, Standing, encoded
from podwork_pods.mover.plans.rows import PlanEvent
from podwork_pods.mover.plans.selection import Choice
from podwork_pods.mover.plans.states import STANDING, PlanState


class MovePlans:
    """The plans of moves. Every method may raise `DirectoryUnavailable`.

    `dry_run`: orders are checked and undone, and return what they would have made.
    """

    def __init__(self, directory: Directory, *, dry_run: bool = False) -> None:
        self.directory = directory
        self._write = directory.rehearse if dry_run else directory.write

    def prepare(self) -> None:
        """Make the tables of moves, and of plans, as far as they are missing."""
        self.directory.create_schema(schema.create)

    def make(
        self,
        choices: Sequence[Choice],
        options: PlanOptions,
        *,
        aim: str,
        by: str,
        why: str = "",
        paused: bool = False,
    ) -> MovePlan:
        """Write a plan, which begins by itself unless it is `paused`.

        Args:
            choices: the shops, in the order of their turns; the canary first.
            options: how to go about it. aim: what it is for, in words. by: who wants it. why: for people.

        Raises:
            InvalidMovePlan: there is nothing to move, a shop is named twice, or nobody could carry it out.
        """
        options.check()
        if not choices:
            raise InvalidMovePlan("there is nothing to move", "every shop is where it is to be")
        if len({choice.shop_id for choice in choices}) < len(choices):
            raise InvalidMovePlan("a shop is named twice", "name each once")
        if stays := next((one for one in choices if one.from_pod == one.to_pod), None):
            raise InvalidMovePlan(f"shop {stays.shop_id} is on pod {stays.to_pod}", "leave it out")
        state, now = PlanState.PAUSED if paused else PlanState.RUNNING, self._now()
        values = {
            "aim": clipped(aim, NAME_CHARACTERS),
            "state": state,
            "reason": "it was made so" if paused else "",
            "options": encoded(options),
            "shops": len(choices),
            "canary_shops": options.canary_of(len(choices)),
            "forgiven": 0,
            "wanted_by": clipped(by, NAME_CHARACTERS),
            "created": now,
        }

        def write(connection: Connection) -> MovePlan:
            plan_id = rows.add(connection, values, choices)
            rows.tell(connection, plan_id, at=now, who=by, why=why, before="", after=state)
            return rows.get(connection, plan_id)

        return self._write(write)

    def pause(self, plan_id: int, who: str, why: str) -> MovePlan:
        """Let no move of the plan begin, and none of its cut-overs; what cuts over goes on.

        Raises:
            UnknownMovePlan, MovePlanConflict: there is none, or it is over, or paused already.
        """
        return self._enter(plan_id, PlanState.PAUSED, who, why)

    def resume(self, plan_id: int, who: str, why: str) -> MovePlan:
        """Go on with a plan that is paused, or has halted: what was given up until now is known.

        Raises:
            UnknownMovePlan, MovePlanConflict: there is none, or it is neither.
        """

        def change(connection: Connection) -> MovePlan:
            plan = rows.get(connection, plan_id, locked=True)
            if plan.state not in STANDING:
                raise MovePlanConflict(plan_id, f"it is {plan.state}", "there is nothing to resume")
            rows.change(connection, plan_id, forgiven=rows.standing(connection, plan).failed)
            return enter(connection, plan, PlanState.RUNNING, who, why, self._now())

        return self._write(change)

    def cancel(self, plan_id: int, who: str, why: str) -> MovePlan:
        """Give the plan up: no move of it begins any more; those that have begun go on, each by itself.

        Raises:
            UnknownMovePlan, MovePlanConflict: there is none, or it is over.
        """
        return self._enter(plan_id, PlanState.CANCELLED, who, why)

    def get(self, plan_id: int) -> MovePlan:
        """Return a plan. Raises UnknownMovePlan."""
        return self.directory.read(lambda connection: rows.get(connection, plan_id))

    def latest(self, limit: int = 20) -> list[tuple[MovePlan, Standing]]:
        """Return the latest plans, the latest first, and how their shops stand."""

        def look(connection: Connection) -> list[tuple[MovePlan, Standing]]:
            found = rows.latest(connection, limit=limit)
            return [(plan, rows.standing(connection, plan)) for plan in found]

        return self.directory.read(look)

    def moving(self, shops: Collection[int]) -> list[int]:
        """Return those of these shops that have a move which is not over: a plan waits for that."""
        return sorted(self.directory.read(rows.moving) & set(shops))

    def live(self, states_in: Collection[PlanState] = states.LIVE) -> list[MovePlan]:
        """Return the plans that are not over, the first one first."""
        return self.directory.read(lambda connection: rows.latest(connection, states_in))[::-1]

    def standing(self, plan: MovePlan) -> Standing:
        """Return how the plan's shops stand."""
        return self.directory.read(lambda connection: rows.standing(connection, plan))

    def shops(self, plan_id: int, *, after: int = -1, limit: int | None = None) -> list[PlannedShop]:
        """Return up to `limit` of the plan's shops behind a position, in the order of their turns."""
        return self.directory.read(
            lambda connection: rows.shops(connection, plan_id, after=after, limit=limit)
        )

    def events(self, plan_id: int) -> list[PlanEvent]:
        """Return the lines of the plan's log, in order."""
        return self.directory.read(lambda connection: rows.events(connection, plan_id))

    def _enter(self, plan_id: int, to: PlanState, who: str, why: str) -> MovePlan:
        def change(connection: Connection) -> MovePlan:
            plan = rows.get(connection, plan_id, locked=True)
            return enter(connection, plan, to, who, why, self._now())

        return self._write(change)

    def _now(self) -> float:
        return self.directory.clock.now()


def enter(connection: Connection, plan: MovePlan, to: PlanState, who: str, why: str, now: float) -> MovePlan:
    """Put a locked plan into another state, with a line in its log. Raises MovePlanConflict."""
    states.check(plan.id, plan.state, to)
    ended = now if to.is_over else None
    rows.change(connection, plan.id, state=to, reason=clipped(why), ended=ended)
    rows.tell(connection, plan.id, at=now, who=who, why=why, before=plan.state, after=to)
    return rows.get(connection, plan.id)
