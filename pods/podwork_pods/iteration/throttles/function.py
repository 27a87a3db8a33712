"""A throttle that is a function of the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podwork.iteration.throttle import Held, Surroundings


@dataclass(frozen=True, slots=True)
class Function:
    """Holds a run back while a function says so.

        def checkout(around: Surroundings) -> str | None:
            busy = orders_in_flight(around.pod_id)
            return f"{busy} orders in flight, limit 100" if busy > 100 else None

        throttles = (Function("checkout", checkout),)

    The function returns None (go on), the reason, or a `Held` to say also when to ask again. Everything else,
    and what it raises, holds the run back. `per_shop`: it looks at `around.shop_id`.
    """

    name: str
    check: Callable[[Surroundings], Held | str | None]
    per_shop: bool = False

    def held(self, around: Surroundings) -> Held | None:
        """Return what the function says, under the throttle's name."""
        said = self.check(around)
        if said is None:
            return None
        if isinstance(said, Held):
            return said._replace(reason=f"{self.name} {said.reason}")
        if not isinstance(said, str):
            # True may mean either; nothing good is assumed.
            raise TypeError(f"its function returned {said!r}, not None, a reason or a Held")
        return Held(f"{self.name} {said}")
