"""The gate that asks the plan: which pod may begin which migration now.

Owns: `PlanGate`, the `Gate` of a fleet. Promises: of those who ask at the same time no more go than may, in
the order of the waves; whoever is let go has a place, which it finds again if it died before its ledger knew,
and which is free when its ledger says that nothing is open: by a report, or by asking for another. Whoever
asks does so inside its pod's line, with nothing open there, under the line's epoch. Answers that nothing
hangs on cost a few reads and no lock. A plan that nobody asks any more is looked after by pods that have
nothing to begin, so that it ends without a person. Leaves to others: the line and the ledger; what is
decided (`deciding`, `hearing`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

from podwork.points import reach
from podwork_migrations.gate import Go, Wait
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.migration import Migration
from podwork_migrations.plan import hearing, reports
from podwork_migrations.plan.considering import Considered, Question, consider
from podwork_migrations.plan.deciding import Warned, decide
from podwork_migrations.plan.halting import Alarm
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.states import WATCHED
from podwork_migrations.plan.store import PlanStore
from podwork_pods.errors import RegistryUnavailable
from podwork_pods.pod import Pod

_HEARD_SECONDS = 60.0
"""How old what is known of a pod's asking may be: it is only for people."""

_WATCH_SECONDS = 30.0
"""How often a plan that is under way is watched by each process that asks."""

_QUIET_SECONDS = 600.0
"""How often each process asks whether a plan is under way, if it has heard of none."""

_log = logging.getLogger(__name__)


class PlanGate:
    """Lets pods go as the plans say.

    Every method may raise `DirectoryUnavailable`; `may_start` and `tend` also `RegistryUnavailable`.

    Args:
        store: the plans.
        pods: the registry's pods, as they are now (`topology.registry.list`): one that was added a moment
            ago has not finished anything.
        alarms: each of them may halt the plan.
    """

    def __init__(
        self, store: PlanStore, pods: Callable[[], Sequence[Pod]], alarms: Sequence[Alarm] = ()
    ) -> None:
        self._store = store
        self._pods = pods
        self._alarms = alarms
        self._watched = -math.inf
        self._is_under_way = False
        self._tended = -math.inf

    def may_start(self, pod_id: int, migration: Migration, epoch: int) -> Go | Wait:
        """Return whether the pod may begin the migration; `epoch`: of its line, under which it asks."""
        self._is_under_way = True
        asked, clock = Question(pod_id, migration, epoch, self._pods()), self._store.clock
        seen = self._store.read(lambda connection: consider(connection, asked, clock.now()))
        warned = self._warned(seen, pod_id, clock.now())
        if warned is None and self._hangs_nothing_on(seen, asked, clock.now()):
            return seen.answer
        reach("gate.deciding")
        return self._store.decide(lambda connection: decide(connection, asked, warned, clock.now()))

    def report(self, pod_id: int, entry: Entry) -> None:
        """Hear how an entry stands; told again, or too late, it changes nothing."""
        now, self._is_under_way = self._store.clock.now(), True
        if self._store.write(lambda connection: reports.renew(connection, pod_id, entry, now)):
            return
        try:
            pods = self._pods()
        except RegistryUnavailable:
            pods = None  # who is blocked is not known: whoever asks next opens what is to be opened
        self._store.decide(lambda connection: hearing.hear(connection, pod_id, entry, pods, now))

    def tend(self) -> None:
        """Let the plan under way move on where no pod asks: its last ones are frozen, down or removed.

        Until it is over each call reads; where none is under way, one in `_QUIET_SECONDS` does.
        """
        now = self._store.clock.now()
        if self._is_under_way or now - self._tended >= _QUIET_SECONDS:
            self._tended = now
            self._is_under_way = Plans(self._store, self._pods).settle() is not None

    def _hangs_nothing_on(self, seen: Considered, asked: Question, now: float) -> bool:
        note = seen.note
        was_heard = note.asked is not None and now - note.asked < _HEARD_SECONDS
        is_known = was_heard and note.version is None and asked.epoch >= note.epoch
        return isinstance(seen.answer, Wait) and is_known and not seen.moves

    def _warned(self, seen: Considered, pod_id: int, now: float) -> Warned | None:
        """Ask the alarms, outside of any transaction: they may take their time.

        Before a pod goes or a wave opens; and now and then while a plan is under way, so that it is watched
        while it soaks, and so that alarms which compare have something to compare with.
        """
        is_going = seen.moves or isinstance(seen.answer, Go)
        is_watched = seen.before is not None and seen.before.state in WATCHED
        if not is_going and not (is_watched and now - self._watched >= _WATCH_SECONDS):
            return None
        self._watched = now
        pod_ids = sorted({*seen.begun, pod_id} if isinstance(seen.answer, Go) else seen.begun)
        for alarm in self._alarms:
            try:
                why = alarm(pod_ids)
            except Exception as error:
                _log.warning("an alarm of the plan cannot be measured", exc_info=True)
                return Warned(f"an alarm cannot be measured: {error}", is_measured=False)
            if why is not None:
                return Warned(why, is_measured=True)
        return None
