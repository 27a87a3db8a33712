"""Pods with real workers, one plan over all of them, and jobs that go on: disturbed, and mended."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from podwork.errors import PodworkError
from podwork.settings import load
from podwork_migrations.ledger.entry import Entry
from podwork_migrations.ledger.states import EntryState
from podwork_migrations.line import Line
from podwork_migrations.plan.legs import legs_of
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_migrations.plan.states import PlacementState, PlanState
from podwork_migrations.runner.service import line_of
from podwork_ops.composition import Platform, open_platform
from podwork_ops.local.blueprint import PodAddress
from podwork_ops.local.registration import register
from tests.support import chaos_files, chaos_shop
from tests.support.chaos_files import File
from tests.support.chaos_fire import Fire
from tests.support.chaos_witness import Witness
from tests.support.pods import sibling_database
from tests.support.processes import ManagedProcess, Processes
from tests.support.wait import until

LEASE_SECONDS = 2.0
SHOPS_OF_A_POD = 3
LOOK_SECONDS = 0.15
PUSH_SECONDS = 1.0
LATEST_REVISION = "new"

Place = tuple[int, int]
"""A pod's number, and that of one of its workers."""


@dataclass(frozen=True)
class Scene:
    """What is played: how many pods and workers, which files and waves, where one of them fails at first."""

    pods: int
    workers: int
    processes: int
    files: tuple[File, ...]
    options: PlanOptions
    failing: tuple[int, ...]


class ChaosFleet:
    """The fleet of a scene; `workers` are started by `start`, and replaced when they die."""

    def __init__(
        self, scene: Scene, platform: Platform, processes: Processes, shards: dict[int, str], server_url: str
    ) -> None:
        self.scene = scene
        self.platform = platform
        self.shards = shards
        self.server_url = server_url
        self.pods = sorted(shards)
        self.lease_seconds = LEASE_SECONDS
        self.folder = Path(platform.settings.migrations.folder).parent
        self.chaos = self.folder / "chaos"
        self.chaos.mkdir()
        self.files = chaos_files.write(Path(platform.settings.migrations.folder), scene.files)
        self.versions = sorted(self.files)
        self.workers: dict[Place, ManagedProcess] = {}
        self.revisions: dict[Place, str] = {}
        self.witness = Witness(server_url)
        self.plan_number = 0
        self.pushed = 0
        self.halts: list[tuple[float, float]] = []
        self.fire: Fire | None = None
        self._processes = processes
        self._numbers = itertools.count(0)
        self._next_look = self._next_push = 0.0
        for pod in self.pods:
            self._fill(pod)
            self.witness.watch(pod, shards[pod])

    # Workers

    def start(self, place: Place) -> None:
        """Start a worker where there is none."""
        settings = self.folder / f"{self.revisions.get(place, LATEST_REVISION)}.toml"
        self.workers[place] = self._processes.podctl(
            "workers",
            "--pod",
            str(place[0]),
            *("--processes", str(self.scene.processes), "--threads", "4"),
            environment={"PODWORK_CONFIG": str(settings), "CHAOS": str(self.chaos)},
        )

    def start_all(self) -> None:
        """Start all workers."""
        for place in itertools.product(self.pods, range(self.scene.workers)):
            self.start(place)

    def replace(self, place: Place) -> None:
        """Kill a worker with all of its children, and start another one."""
        self.workers[place].end()
        self.start(place)

    # The plan

    def let_go(self) -> None:
        """Plan all files, and start the plan."""
        migrations = self.platform.migrations
        plan = migrations.plans.create(
            migrations.library.migrations, options=self.scene.options, by="test", purpose="chaos"
        )
        self.plan_number = migrations.plans.start(plan.number).number

    def plan(self) -> Plan:
        """The plan as it stands."""
        return self.platform.migrations.plans.get(self.plan_number)

    def line(self, pod: int) -> Line:
        """The line of a pod."""
        return line_of(self.platform.topology, pod, self.platform.settings.migrations)

    def entries(self, pod: int) -> Sequence[Entry]:
        """The ledger of a pod."""
        return self.platform.migrations.ledger(pod).entries()

    def waves(self) -> dict[int, int]:
        """The wave of each pod."""
        return {line.pod_id: line.wave for line in self.platform.migrations.status(self.plan_number).pods}

    def migrating(self) -> list[int]:
        """The pods that are under way; all of them where none is."""
        pods = self.platform.migrations.status(self.plan_number).pods
        return [pod.pod_id for pod in pods if pod.state is PlacementState.RUNNING] or self.pods

    def legs(self) -> dict[str, int]:
        """The leg of each version."""
        migrations = self.platform.migrations.library.migrations
        return dict(zip([each.version for each in migrations], legs_of(migrations), strict=True))

    # Time passes

    def go_on(self) -> bool:
        """Do what is due: disturb, thaw, push; return whether it is worth while to look again."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        if self.fire is not None:
            self.fire.tend()
        if time.monotonic() >= self._next_push:
            self._next_push = time.monotonic() + PUSH_SECONDS
            chaos_shop.hit.enqueue_bulk(
                [{"shop_id": shop_id, "number": next(self._numbers)} for shop_id in self._shops()]
            )
            self.pushed += len(self.pods) * SHOPS_OF_A_POD
        return True

    def see_it_through(self, timeout_seconds: float) -> None:
        """Let the plan come to its end; mend what it halts at."""

        def is_over() -> bool:
            if not self.go_on():
                return False
            plan = self.plan()
            if plan.state is PlanState.HALTED:
                self._mend(plan)
            return plan.state is PlanState.SUCCEEDED

        try:
            until(is_over, timeout_seconds, "the plan has succeeded")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self}") from None

    def until_jobs_are_done(self) -> None:
        """Push no more, and wait until everything that was pushed has been done."""
        self._next_push = math.inf
        until(
            lambda: self.go_on() and sum(self._effects(pod) for pod in self.pods) == self.pushed,
            60.0,
            f"{self.pushed} jobs are done; {self}",
        )

    def _mend(self, plan: Plan) -> None:
        """Be the person: look where it failed, see that jobs go on, mend it, and let it go on."""
        began = time.time()
        failed = {
            pod: [each for each in self.entries(pod) if each.state is EntryState.FAILED] for pod in self.pods
        }
        failed = {pod: entries for pod, entries in failed.items() if entries}
        for pod, entries in failed.items():
            for each in entries:
                is_meant = self.files[each.version] is chaos_files.FAILING and pod in self.scene.failing
                assert is_meant, f"pod {pod}: {each}\n{self}"
        assert failed, f"halted, and nothing has failed: {plan}\n{self}"
        self._until_each_pod_works(began)
        for pod, [entry] in failed.items():
            with self.platform.engine(pod).begin() as connection:
                connection.execute(text("DELETE FROM codes WHERE id > 1"))
            self._insist(
                partial(
                    self.platform.migrations.control(pod).retry, entry.version, reason="mended", by="test"
                )
            )
        self.halts.append((began, time.time()))
        self._insist(partial(self.platform.migrations.plans.resume, self.plan_number, by="test"))

    def _until_each_pod_works(self, since: float) -> None:
        def each_works() -> bool:
            return self.go_on() and all(self._effects(pod, since) for pod in self.pods)

        until(each_works, 60.0, f"a job done on each pod while the plan stands still; {self}")

    def _insist(self, act: Callable[[], object]) -> None:
        """Do something, as often as a shard says that its rows are locked."""

        refusals: list[PodworkError] = []

        def is_done() -> bool:
            if not self.go_on():
                return False
            try:
                act()
            except PodworkError as error:
                refusals.append(error)
                return False
            return True

        until(is_done, 30.0, f"{act}; {refusals}")

    # What there is

    def _shops(self) -> list[int]:
        return [100 * pod + number for pod in self.pods for number in range(SHOPS_OF_A_POD)]

    def _fill(self, pod: int) -> None:
        with self.platform.engine(pod).begin() as connection:
            self.tables = set(connection.execute(text("SHOW TABLES")).scalars())
            for statement in chaos_shop.SCHEMA:
                connection.execute(text(statement))
            rows = [{"id": number} for number in range(1, chaos_shop.ROWS + 1)]
            connection.execute(text("INSERT INTO items (id, code) VALUES (:id, :id)"), rows)
            codes = [1, 1] if pod in self.scene.failing else [1]
            connection.execute(
                text("INSERT INTO codes VALUES (:id, :code)"),
                [{"id": number, "code": code} for number, code in enumerate(codes, 1)],
            )
        self.platform.directory.assign_many({shop: pod for shop in self._shops() if shop // 100 == pod})

    def _effects(self, pod: int, since: float = 0.0) -> int:
        with self.platform.engine(pod).connect() as connection:
            query = text("SELECT COUNT(*) FROM effects WHERE at >= :since")
            return int(connection.execute(query, {"since": since}).scalar_one())

    def __str__(self) -> str:
        lines = [f"plan: {self.plan()}", f"fire: {self.fire}"]
        for pod in self.pods:
            states = [
                f"{each.version[-2:]}:{each.state}:{each.stage}:{each.throttle_reason or each.error}"
                for each in self.entries(pod)[-3:]
            ]
            lines.append(f"pod {pod}: {states} {self.line(pod).state()}")
        lines += [f"{place}: {worker.stderr[-1500:]}" for place, worker in self.workers.items()]
        return "\n".join(lines)


@contextmanager
def chaos_fleet(
    scene: Scene, folder: Path, processes: Processes, server_url: str, redis_urls: Sequence[str]
) -> Iterator[ChaosFleet]:
    """Yield the fleet of a scene: shards beside the URL's database, a Redis each."""
    (folder / "migrations").mkdir()
    directory_url = sibling_database(server_url, "directory")
    shard_urls = {pod: sibling_database(server_url, f"pod{pod}") for pod in range(1, scene.pods + 1)}
    for revision in (LATEST_REVISION, "old"):
        (folder / f"{revision}.toml").write_text(
            f'[topology]\nregistry_url = "sqlite:///{folder}/registry.db"\n'
            f'directory_url = "{directory_url}"\n'
            f'[app]\ntarget = "tests.support.chaos_shop:app"\nrevision = "{revision}"\n'
            f"[worker]\nlease_seconds = {LEASE_SECONDS}\n[shard]\nlock_wait_seconds = 2\n"
            f'[migrations]\nfolder = "{folder}/migrations"\nevery_seconds = 1\n'
        )
    config = folder / f"{LATEST_REVISION}.toml"
    addresses = [
        PodAddress(pod, url, redis) for (pod, url), redis in zip(shard_urls.items(), redis_urls, strict=True)
    ]
    register(config, addresses, lambda _: None)
    shards = {pod: str(make_url(url).database) for pod, url in shard_urls.items()}
    with open_platform(load(file=config, environment={}).settings) as platform:
        platform.bind(chaos_shop.app)
        yield ChaosFleet(scene, platform, processes, shards, server_url)
