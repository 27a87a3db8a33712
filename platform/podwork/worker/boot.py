"""The boot of a child, from its connections to its threads.

Owns: the order in which a child becomes one: register, say what the code declares, start. Promises: nothing
is claimed before the lease is there and the limits of the code stand; what Redis does not answer is asked
again for as long as the child may wait. Leaves to others: the main thread's loop (`Child`), the processors
(`Crew`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from podwork.limits import Limits, described
from podwork.points import reach
from podwork.worker.awaiting import MigrationWatch, Runnable
from podwork.worker.crew import Crew
from podwork.worker.heartbeat import Heartbeat
from podwork.worker.manager import Manager
from podwork.worker.outage import TROUBLE
from podwork.worker.prefetch import Prefetch
from podwork.worker.queue_order import QueueOrder
from podwork.worker.timekeeper import Timekeeper

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.queues import Pulse, Queues
    from podwork.worker.isolation.isolation import Isolation
    from podwork.worker.portrait import Portrait
    from podwork.worker.spec import Connections, Surroundings, WorkerSpec


class Threads(NamedTuple):
    """The threads of a child that its main thread speaks to."""

    manager: Manager
    crew: Crew
    heartbeat: Heartbeat


def register(surroundings: Surroundings, portrait: Portrait, app: App, wait: Callable[[int], bool]) -> bool:
    """Register and publish the limits, for as long as it takes.

    `wait` is called with the number of failures so far and answers whether to try (again); False: told to
    end.
    """
    failures = 0
    while wait(failures):
        asked_at = time.monotonic()
        try:
            surroundings.queues.register(surroundings.life.incarnation, portrait.whole())
            publish_limits(surroundings.queues, app)
        except TROUBLE as error:
            surroundings.outage.began(error)
            failures += 1
        else:
            surroundings.outage.over()
            surroundings.life.renewed(asked_at)
            reach("worker.registered")
            return True
    return False


def publish_limits(queues: Queues, app: App) -> None:
    """Set the limits that the job classes declare, and take away those that they do not declare any more."""
    declared = [
        described(limit, "code", job_class=name)
        for name, job_class in app.job_classes.items()
        for limit in job_class.policy.limits
    ]
    Limits(queues.store).publish(declared, app.job_classes)


def start(
    spec: WorkerSpec,
    connections: Connections,
    surroundings: Surroundings,
    portrait: Portrait,
    runnable: Runnable,
    heard: Callable[[Pulse], None],
    told: Callable[[str], None],
    isolation: Isolation | None,
) -> Threads:
    """Start the threads of a registered child.

    `heard` is told what each heartbeat hears, `told` each order that comes over the channel: both in the
    thread that hears it.
    """
    queues, life, outage, tally = (
        connections.queues,
        surroundings.life,
        surroundings.outage,
        surroundings.tally,
    )
    connections.client.observe_push = tally.enqueued
    spec.app.bind(connections.client, connections.iterations)
    prefetch = Prefetch(spec.threads, spec.prefetch_seconds)
    manager = Manager(queues, QueueOrder(spec.queues), prefetch, tally, life, outage, told)
    portrait.manager = manager
    if isolation is not None:
        isolation.observe_push = tally.enqueued
    crew = Crew(spec, connections, surroundings, manager, runnable, isolation.run if isolation else None)
    timekeeper = Timekeeper(queues, runnable, tally, life, outage)
    queues.observe_schedule = timekeeper.expect
    if runnable.may_change and connections.applied_migrations is not None:
        MigrationWatch(runnable, connections.applied_migrations, life).start()

    def hear(pulse: Pulse) -> None:
        timekeeper.heard(pulse)
        heard(pulse)

    heartbeat = Heartbeat(queues, life, outage, portrait.changing, hear)
    heartbeat.start()
    timekeeper.start()
    crew.start()
    for make in connections.services:
        make(surroundings).start()
    if portrait.quiet:
        manager.quiet()
    manager.start()
    return Threads(manager, crew, heartbeat)
