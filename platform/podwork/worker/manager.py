"""The dispatcher of a child: one thread that acknowledges what is finished and claims what comes next.

Owns: what the child holds. Each job of `_held` is in one place: `_ready` (claimed, not started), with a
processor, `_ended` (ran, end not yet written), or `_outgoing` (being given back). Both directions go by one
round trip, `Queues.turn`, as many jobs at a time as there are. Promises:

- a job that ended is acknowledged at once or, with a queue at hand, by the next claim, milliseconds later;
- an end that Redis did not take is said again until it is taken or refused; the job is not run again;
- after a claim whose answer was lost, what Redis says is held here is adopted (J1), and once a minute, too:
  the network may deliver such a claim when all was adopted;
- what a push handed to this process while it was idle is started at once, without a claim, and without this
  thread: an idle processor listens itself (`Intake`);
- jobs that wait behind threads that do not end are given back, so that another worker can start them;
- what has been given back, or may have been, is never started.

`_dry` says that the last claim got less than it wanted: since then Redis lists this process as idle. Leaves
to others: running (`Processor`), sizes (`Prefetch`), waiting and hearing (`Ear`), taking in (`Intake`),
waking processors (`ReadyJobs`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from podwork.errors import LeaseLost
from podwork.observation import Attempt, Tally
from podwork.points import reach
from podwork.worker.ear import Ear
from podwork.worker.ended import Ended
from podwork.worker.intake import Intake
from podwork.worker.life import Life, LifeThread
from podwork.worker.outage import TROUBLE, Outage, pause_seconds
from podwork.worker.prefetch import MOST_HELD, Prefetch
from podwork.worker.ready import ReadyJobs

if TYPE_CHECKING:
    from podwork.lease import Lease
    from podwork.queues import Queues
    from podwork.worker.queue_order import QueueOrder

__all__ = ["Ended", "Manager"]

IDLE_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 30.0
"""After so long without a word an idle child looks for itself: the last net, if whoever was told is gone."""
STALL_SECONDS: Final = 0.2
GATHER_SECONDS: Final = 0.002
REFILL_PART: Final = 4
ADOPT_SECONDS: Final = 60.0


class Manager(LifeThread):
    """Holds the child's jobs between Redis and the processors."""

    def __init__(
        self,
        queues: Queues,
        order: QueueOrder,
        prefetch: Prefetch,
        tally: Tally,
        life: Life,
        outage: Outage,
        told: Callable[[str], None],
    ) -> None:
        super().__init__("podwork-manager", life)
        self._queues = queues
        self._names = order
        self._prefetch = prefetch
        self._threads = prefetch.threads
        self._tally = tally
        self._outage = outage
        self._ear = Ear(queues.store, life.incarnation)
        self._held: dict[str, Lease] = {}
        self._ready = ReadyJobs(prefetch.threads)
        self._intake = Intake(self._ear, self._ready, self._held, told)
        self._ended: deque[Ended] = deque()
        self._outgoing: list[Lease] = []
        self._yielding: deque[str] = deque()
        self._unsaid: list[Ended] = []
        self._in_doubt: set[str] = set()
        self._lost_answer = False
        self._adopt_at = time.monotonic() + ADOPT_SECONDS
        self._failures = 0
        self._claiming = True
        self._dry = False
        self._look_at = 0.0

    # Called by processors

    def take(self) -> Lease:
        """Return the next job to run; block until there is one."""
        while (lease := self._ready.first()) is None:
            if self._dry and self._claiming and self._ear.sit():
                if (lease := self._intake.listen()) is not None:
                    return lease
                continue
            if not self._dry:
                self._ear.ring()
            self._ready.wait()
        return lease

    def ended(self, ended: Ended) -> None:
        """Take the end of a job, to be acknowledged."""
        self._ended.append(ended)
        self._ear.ring()

    def settled(self, lease: Lease) -> None:
        """Let go of a job that a processor has retried, buried, parked, forwarded or released itself."""
        self._held.pop(lease.id, None)
        self._intake.moved_at = time.monotonic()
        self._ear.ring()

    # Called by the child's main thread

    def quiet(self) -> None:
        """Claim nothing more, and give back what is not started; what runs goes on."""
        self._claiming = False
        self._intake.hint = True  # what it may have been told of is for others now, and it is idle no more
        self._ear.stir()  # who is quiet does not sit: what comes in nevertheless is given back
        self._ear.ring()

    def resume(self) -> None:
        """Claim again."""
        self._claiming = True
        self._dry = False
        self._ear.ring()

    def yield_shop(self, shop: str) -> None:
        """Give back what is not started of a shop: it is about to move."""
        self._yielding.append(shop)
        self._ear.ring()

    @property
    def is_quiet(self) -> bool:
        """Whether it claims nothing."""
        return not self._claiming

    @property
    def busy(self) -> int:
        """How many jobs run, or have ended but could not be acknowledged yet."""
        return max(0, len(self._held) - len(self._ready) - len(self._outgoing))

    @property
    def holds_nothing(self) -> bool:
        """Whether nothing is left to run, to write down or to give back."""
        return not self._held

    def held(self) -> set[str]:
        """Return the ids of what is held, until its end is written down."""
        return set(self._held)

    def running(self) -> list[Lease]:
        """Return what is held and has not ended (for giving it back at the very end)."""
        ended = {end.lease.id for end in [*self._unsaid, *self._ended]}
        return [lease for job_id, lease in list(self._held.items()) if job_id not in ended]

    # The thread

    def work(self) -> None:
        """Go on for ever: the process ends without asking its threads."""
        while True:
            self._await_reason()
            try:
                self.step()
            except LeaseLost:
                self.life.lost()
                return
            except TROUBLE as error:
                self._outage.began(error)
                time.sleep(pause_seconds(self._failures))
                self._failures += 1

    def step(self) -> None:
        """Do once what is to be done. Raises LeaseLost, StoreUnavailable, StoreRefused."""
        if self._is_behind() or time.monotonic() >= self._adopt_at:
            self._adopt()
        if self._dry and time.monotonic() >= self._look_at:
            self._dry = False
        self._intake.hear()
        self._take_back()
        self._hand_on_hint()
        ended, want = self._collect_ended(), self._want()
        if ended or want:
            self._turn(ended, want)
        self._give_back()  # last: a Redis without memory refuses it, but takes ends, which free memory

    def _await_reason(self) -> None:
        """Return when there is something to do; soon at the latest while jobs wait here unstarted."""
        if self._ended and not self._want():
            # The processors have enough to do: let ends gather for a part of that time, they go together.
            time.sleep(min(GATHER_SECONDS, self._prefetch.work_ahead_seconds(len(self._ready)) / 4))
        if self._ended or self._unsaid or self._outgoing or self._is_behind() or self._want():
            self._ear.glance(often=self._dry)
        else:
            self._ear.wait(STALL_SECONDS / 2 if self._ready else IDLE_SECONDS)

    def _turn(self, ended: list[Ended], want: int) -> None:
        if ended:
            reach("worker.before-acknowledge")
        if want:
            self._ear.open()
            self._lost_answer = True
        try:
            refused, leases = self._queues.turn(
                self.life.incarnation, [end.end for end in ended], self._names(), want,
                channel=self._ear.channel,
            )  # fmt: skip
        except TROUBLE:
            self._in_doubt.update(end.lease.id for end in ended)
            raise
        self._unsaid = []
        self._lost_answer = False
        self._answered()
        if ended:
            reach("worker.acknowledged")
            self._account(ended, refused)
        if want:
            self._dry = len(leases) < want
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._intake.claimed(leases)

    def _is_behind(self) -> bool:
        """Tell whether Redis may know of jobs here that this child does not."""
        return self._lost_answer or self._intake.deaf or self._intake.owes_adopting

    def _account(self, ended: list[Ended], refused: Sequence[str]) -> None:
        """Count ends. A refusal after an exchange that failed only says that the first one was heard."""
        lost = set(refused) - self._in_doubt
        for end in ended:
            self._held.pop(end.lease.id, None)
        if self._in_doubt:
            self._in_doubt.difference_update(end.lease.id for end in ended)
        self._tally.attempts(
            Attempt(
                end.lease.queue,
                end.lease.job_class,
                "lost" if end.lease.id in lost else end.outcome,
                end.duration_seconds,
                end.wait_seconds,
            )
            for end in ended
        )

    def _collect_ended(self) -> list[Ended]:
        fresh: list[Ended] = []
        while self._ended and len(fresh) < MOST_HELD:
            fresh.append(self._ended.popleft())
        if fresh:
            self._intake.moved_at = time.monotonic()
            self._prefetch.measured(
                [end.duration_seconds for end in fresh if end.duration_seconds is not None]
            )
        self._unsaid = self._unsaid + fresh
        return self._unsaid

    def _room(self) -> int:
        """Return how many more jobs may be held: one for each idle processor, and the prefetch."""
        if not self._claiming:
            return 0
        idle = max(0, self._threads - self._running())
        return min(MOST_HELD, idle + self._prefetch.allowed) - len(self._ready)

    def _running(self) -> int:
        elsewhere = len(self._ready) + len(self._ended) + len(self._unsaid) + len(self._outgoing)
        return len(self._held) - elsewhere

    def _want(self) -> int:
        """Return how many jobs to claim now; none until a part of what may be held unstarted is used up.

        A part, not all of it: the processors go on with the rest while Redis prepares what comes next. None
        while jobs are being given back: one whose release got no answer may be ready, and be claimed here.
        """
        if self._outgoing:
            return 0
        room = self._room()
        return room if room > self._prefetch.allowed // REFILL_PART and not self._dry else 0

    # Giving back

    def _take_back(self) -> None:
        """Take away from the processors what is to be given back: from here on nobody starts it."""
        if not self._claiming or self._is_stalled():
            self._outgoing += self._ready.take_back()
        while self._yielding:
            self._outgoing += self._ready.take_back(self._yielding.popleft())

    def _give_back(self) -> None:
        if not self._outgoing:
            return
        reach("worker.before-release")
        self._queues.release(self.life.incarnation, self._outgoing)
        self._answered()
        for lease in self._outgoing:
            self._held.pop(lease.id, None)
        self._outgoing = []

    def _is_stalled(self) -> bool:
        """Tell whether jobs wait behind others that do not end; then nothing is prefetched until some end."""
        if not self._ready:
            return False
        still_seconds = time.monotonic() - self._intake.moved_at
        if still_seconds < max(STALL_SECONDS, 4 * self._prefetch.prefetch_seconds):
            return False
        if self._running() < self._threads:
            self._intake.stir()
            return False
        self._prefetch.stalled(still_seconds)
        return True

    def _adopt(self) -> None:
        self._intake.adopt(lambda: self._queues.adopt(self.life.incarnation))
        self._lost_answer = self._dry = False  # who adopts is listed as idle no more
        self._adopt_at = time.monotonic() + ADOPT_SECONDS

    # Hints

    def _hand_on_hint(self) -> None:
        """Claim after a hint; one that this child cannot use is given to another, and it is idle no more."""
        hint, self._intake.hint = self._intake.hint, False  # before looking: it may be set at any time
        if hint:
            self._dry = False
        if not hint or self._room() > 0:
            return
        try:
            for name in self._names.names:
                self._queues.claim(self.life.incarnation, [name], 0)
        except TROUBLE:
            self._intake.hint = True
            raise

    def _answered(self) -> None:
        self._failures = 0
        self._outage.over()
