"""Random histories of a schedule against a model: the clock jumps, leaders change, overtake and die.

The model knows slots and the moment up to which somebody has looked, and no runs: after every look the
slots that have ticked are compared with it, exactly. Jobs are taken away as soon as they are seen, so that
nothing but the schedule's own memory keeps a slot from ticking twice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from podwork import App, keys, points
from podwork.schedules.plan import CATCH_UP_LIMIT, ON_TIME_MS
from podwork.store import Store
from tests.support.schedules import MINUTE_MS, NOON_MS, Clock, Leader, an_app, jobs

LEADERS = st.sampled_from([0, 1])
MINUTES = st.one_of(
    st.floats(0, 0.9), st.floats(0.9, 4), st.sampled_from([1.0, 2.0, 60.0]), st.floats(4, 900)
)


class Killed(BaseException):
    """The process is gone."""


class History(RuleBasedStateMachine):
    """One schedule, two leaders, one clock."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(self.url)
        self.store.client.flushdb()
        self.clock = Clock()
        self.ticked: Counter[int] = Counter()

    @initialize(
        catch_up=st.sampled_from(["none", "one", "all"]),
        period=st.sampled_from([1, 5, 60]),
        jitter=st.sampled_from([0, 90]),
    )
    def declare(self, catch_up: str, period: int, jitter: int) -> None:
        def declare(app: App) -> None:
            app.schedule(
                "beat", app.job_class("work"), cron="0 * * * *" if period == 60 else f"*/{period} * * * *",
                catch_up=catch_up, jitter=jitter,  # type: ignore[arg-type]
            )  # fmt: skip

        self.catch_up, self.period_ms = catch_up, period * MINUTE_MS
        self.app = an_app(declare=declare)
        self.leaders = [self.new_leader(), self.new_leader()]
        self.watched = self.clock.now_ms
        self.leaders[0].look()

    def new_leader(self) -> Leader:
        return Leader(self.store, self.app.schedules, self.clock)

    # What happens

    @rule(minutes=MINUTES)
    def time_passes(self, minutes: float) -> None:
        self.clock.pass_(minutes)

    @rule(minutes=MINUTES)
    def the_clock_is_set_back(self, minutes: float) -> None:
        self.clock.now_ms = max(NOON_MS - 900 * MINUTE_MS, self.clock.now_ms - int(minutes * MINUTE_MS))

    @rule(which=LEADERS)
    def look(self, which: int) -> None:
        self.leaders[which].look()
        self.compare()

    @rule(which=LEADERS, minutes=MINUTES)
    def pass_and_look(self, which: int, minutes: float) -> None:
        self.clock.pass_(minutes)
        self.look(which)

    @rule(which=LEADERS, minutes=MINUTES, share=st.floats(0.1, 1.0))
    def leap_and_return(self, which: int, minutes: float, share: float) -> None:
        """What is given up ahead of the clock comes again in its time; left to chance, this is rare."""
        self.pass_and_look(which, minutes)
        self.the_clock_is_set_back(minutes)
        self.look(which)
        self.pass_and_look(which, minutes * share)

    @rule(which=LEADERS, minutes=st.one_of(st.just(0.0), MINUTES))
    def look_and_be_overtaken(self, which: int, minutes: float) -> None:
        def overtake() -> None:
            self.clock.pass_(minutes)
            self.leaders[1 - which].look()

        self.with_point("schedules.planned", overtake, which)
        self.compare()

    @rule(which=LEADERS, point=st.sampled_from(["schedules.planned", "schedules.ticked"]))
    def look_and_be_killed(self, which: int, point: str) -> None:
        def kill() -> None:
            raise Killed

        reached = self.with_point(point, kill, which)
        self.leaders[which] = self.new_leader()
        if not reached or point == "schedules.ticked":
            self.compare()

    @rule(which=LEADERS)
    def a_leader_is_replaced(self, which: int) -> None:
        self.leaders[which] = self.new_leader()

    def with_point(self, point: str, act: Callable[[], None], which: int) -> bool:
        """Look, and act at the point the first time; return whether it was reached."""
        reached: list[str] = []

        def hook(name: str) -> None:
            if name == point and not reached:
                reached.append(name)
                act()

        points.install(hook)
        try:
            self.leaders[which].look()
        except Killed:
            pass
        finally:
            points.install(None)
        return bool(reached)

    # What must be

    def compare(self) -> None:
        """Compare with the model after a look that came to its end at the clock's present time."""
        before, now = set(self.ticked), self.clock.now_ms
        self.take_jobs()
        first = (self.watched // self.period_ms + 1) * self.period_ms
        seen = [*range(first, now + 1, self.period_ms)][-CATCH_UP_LIMIT:]
        still_open = [slot for slot in seen if slot not in before]
        if self.catch_up == "all":
            expected = still_open
        elif self.catch_up == "one" or (still_open and still_open[-1] >= now - ON_TIME_MS):
            expected = still_open[-1:]
        else:
            expected = []
        assert sorted(set(self.ticked) - before) == expected
        self.watched = now

    def take_jobs(self) -> None:
        self.ticked.update(int(job_id[:11], 16) for job_id in jobs(self.store))
        self.store.command("DEL", keys.jobs(keys.POD_LANE))

    @invariant()
    def no_slot_ticked_twice(self) -> None:
        assert [slot for slot, count in self.ticked.items() if count > 1] == []


@pytest.mark.timeout(300)
def test_random_histories(valkey_url: str) -> None:
    History.url = valkey_url
    examples = os.environ.get("PODWORK_FUZZ_EXAMPLES")
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=int(examples or 150),
            # Shrinking a history takes minutes; the long runs do it.
            phases=tuple(Phase) if examples else (Phase.generate,),
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
