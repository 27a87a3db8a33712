"""A worker's child carries what it needs: every child inherits what its supervisor has imported.

Measured by the names of modules, not in megabytes, which depend on the machine (`make bench` measures those).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from podwork.settings import load
from podwork_ops.local.ports import free_port
from podwork_pods import Pod
from podwork_pods.topology import Topology

NEEDLESS: dict[str, str] = {
    "rich": "draws tables, and nobody looks at a worker's",
    "pygments": "rich's, for tracebacks in colour",
    "prometheus_client": "only with metrics.port",
    "http.server": "only with metrics.port",
    "sqlalchemy.orm": "only with an application that opens shops' transactions",
    "pymysql": "only with a shard on MySQL or MariaDB",
    "kazoo": "only with a registry in ZooKeeper",
    "podwork.iteration": "only with an application that has iteration jobs",
    "podwork_pods.iteration": "likewise",
    "podwork.testing": "for an application's tests",
    "podwork.inspection": "for people who ask how a pod stands",
    "podwork.why": "for people who ask why a job stands",
    "podwork_ops.cli.tables": "draws tables",
    "podwork_ops.demo": "another command's",
    "podwork_ops.local": "another command's",
    "podwork_migrations": "another command's",
}
COMMON = {"commands", "invocation", "main", "output", "pod_options", "session", "values", "workers"}
"""Of podctl: what `podctl workers` is made of. Every other file of it is another command's."""

AS_A_CHILD = """
import sys
from pathlib import Path
from podwork.settings import load
from podwork_ops import logging, workers
from podwork_ops.cli import main, workers as command


class InOneProcess:
    def __init__(self, spec, observe):
        self.connect = spec.connect
        self.health = None

    def run(self):
        self.connect().close()


settings = load(file=Path("podwork.toml"), environment={}).settings
logging.configure(settings.log)
workers.check_pod = lambda settings, pod_id: None
workers.Supervisor = InOneProcess
workers.run_workers(settings, 1, lambda start: None)
print(*sys.modules, sep="\\n")
"""
"""What a worker does, but for the fork, and for asking Redis before it."""
PLAIN = """
from podwork import App

app = App("shop")


@app.job()
def note(shop_id: int) -> None:
    pass
"""
WITH_ITERATION = f"""{PLAIN}
from collections.abc import Sequence
from podwork import IterationJob
from podwork_pods import rows


@app.job()
class Fill(IterationJob):
    def collection(self):
        return rows("orders")

    def each_batch(self, items: Sequence[int]) -> None:
        pass
"""
WITH_TRANSACTIONS = f"{PLAIN}\nfrom podwork_pods import shop_transaction\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings, and with a pod whose Redis is never asked."""
    (tmp_path / "podwork.toml").write_text(
        f'[app]\ntarget = "shop:app"\n[topology]\nregistry_url = "sqlite:///{tmp_path}/registry.db"\n'
        f'directory_url = "sqlite:///{tmp_path}/directory.db"\n'
    )
    topology = Topology.open(load(file=tmp_path / "podwork.toml", environment={}).settings)
    try:
        topology.prepare()
        topology.registry.put(Pod(1, f"sqlite:///{tmp_path}/shard.db", "redis://127.0.0.1:1/0"))
        topology.prepare_shard(1)
    finally:
        topology.close()
    return tmp_path


def loaded(program: str, folder: Path) -> set[str]:
    """Return the names of the modules that a new process has loaded at the program's end."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_a_child_carries_nothing_that_it_does_not_use(folder: Path) -> None:
    (folder / "shop.py").write_text(PLAIN)
    modules = loaded(AS_A_CHILD, folder)
    assert "podwork_pods.outbox.relay" in modules, "it is no child"
    needless = {module: why for module, why in NEEDLESS.items() if module in modules}
    assert needless == {}


def test_with_a_port_it_serves_metrics(folder: Path) -> None:
    (folder / "shop.py").write_text(PLAIN)
    with (folder / "podwork.toml").open("a") as config:
        config.write(f"[metrics]\nport = {free_port()}\n")
    assert {"prometheus_client", "http.server"} <= loaded(AS_A_CHILD, folder)


def test_a_child_carries_no_other_command(folder: Path) -> None:
    (folder / "shop.py").write_text(PLAIN)
    parts = [module.split(".") for module in loaded(AS_A_CHILD, folder)]
    assert {part[2] for part in parts if part[:2] == ["podwork_ops", "cli"] and len(part) > 2} <= COMMON


def test_who_opens_transactions_has_the_orm_before_the_worker_forks(folder: Path) -> None:
    (folder / "shop.py").write_text(WITH_TRANSACTIONS)
    assert "sqlalchemy.orm" in loaded("import shop, sys\nprint(*sys.modules, sep='\\n')", folder)


def test_who_has_iteration_jobs_has_their_loop_before_the_worker_forks(folder: Path) -> None:
    (folder / "shop.py").write_text(WITH_ITERATION)
    before_the_fork = AS_A_CHILD.replace("self.connect().close()", "pass")
    modules = loaded(before_the_fork, folder)
    assert {"podwork_pods.iteration.iterations", "sqlalchemy.orm"} <= modules
    assert "podwork_pods.iteration.keeper" in loaded(AS_A_CHILD, folder), "a child that may lead keeps runs"
    needless = set(NEEDLESS) - {"podwork.iteration", "podwork_pods.iteration", "sqlalchemy.orm"}
    assert needless.isdisjoint(modules)


def test_logging_hides_rich_from_nobody_else(folder: Path) -> None:
    program = "\n".join(
        [
            "import sys",
            "{}",
            "import podwork_ops.logging",
            "import rich, rich.traceback",
            "assert sys.modules['rich'] is rich",
            "print(rich.__name__)",
        ]
    )
    assert loaded(program.format(""), folder) == {"rich"}
    assert loaded(program.format("import rich"), folder) == {"rich"}
