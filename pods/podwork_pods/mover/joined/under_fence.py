"""The steps of a copy that is made whole while a shop's writes stand still: nothing is to be done before.

Owns: `UnderFence`, which says so for steps 5 to 8. Leaves to others: the copy itself, in step 17
(`embedded_rows`, `fenced_copy`).
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork_pods.mover.crossing import Pulse


class UnderFence:
    """No log is followed, so none can be lost; nothing is copied, so nothing has to be caught up with."""

    def follow(self, _since: str) -> None:
        """Step 5."""

    def begin_anew(self, pulse: Pulse) -> None:
        """After CopyLost, which comes of a log."""

    def apply(self, pulse: Pulse) -> int:
        """Step 7."""
        pulse("")
        return 0

    def verify(self, pulse: Pulse) -> Sequence[str]:
        """Step 8."""
        pulse("")
        return ()

    def close_up(self, pulse: Pulse, *, in_haste: bool = False) -> None:  # noqa: ARG002 - nothing is brought
        """Before the cut-over."""
        pulse("")
