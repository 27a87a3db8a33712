"""A process killed in the middle of a bulk action: nobody is left out, nobody is dealt with twice."""

from __future__ import annotations

import pytest

from podwork.inspection import Filter, Inspection
from podwork.interventions import PORTION
from podwork.queues import Queues
from podwork.selection import Action, Applied, Selections
from podwork.store import Store
from tests.support.engine import A, claim, push
from tests.support.pause import Point, start_pausing
from tests.support.processes import Processes

APPLY = "from podwork.selection import *; from podwork.store import Store; import sys\n"
APPLY += "Selections(Store(sys.argv[1])).apply(sys.argv[2], Action('retry'))"


@pytest.mark.parametrize("portion", [1, 2])
def test_killed_in_the_middle_another_goes_on(processes: Processes, redis_url: str, portion: int) -> None:
    """Those who had their second chance before the kill have failed again by then: a third would show."""
    queues = Queues(Store(redis_url), lease_seconds=3600)
    queues.register(A, {"pid": 1})
    dead = push(queues, ("7", 3 * PORTION))
    fail_all(queues)
    selection = Selections(queues.store).freeze(Filter(states=("dead",)))

    point = Point("selection.portion", portion)
    applying = start_pausing(processes, [point], "-c", APPLY, redis_url, selection.id)
    applying.wait_at(*point).kill()
    assert Selections(queues.store).applied(selection.id).left == (3 - portion) * PORTION
    fail_all(queues)

    applied = Selections(queues.store).apply(selection.id, Action("retry"))
    assert applied == Applied({"queued": len(dead)}, 0)
    assert Inspection(queues.store).totals()["revived"] == len(dead)


def fail_all(queues: Queues) -> None:
    for lease in claim(queues, 10_000):
        queues.bury(A, lease, "ValueError: boom")
