"""The worker's HTTP endpoint over real sockets: pages, probes, ports, and forks beside it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain
from prometheus_client.registry import Collector

from podwork.errors import ConfigurationError
from podwork.observation import Observation
from podwork.worker.offspring import fork_gate
from podwork.worker.spec import ChildHealth, Health
from podwork_ops.errors import PortTaken
from podwork_ops.local.ports import free_port
from podwork_ops.metrics import MetricsEndpoint, WorkerMetrics
from podwork_ops.metrics.probes import BEAT_LIMIT_SECONDS

HOST = "127.0.0.1"
CHILD = ChildHealth(pid=101, beat_age_seconds=0.4, busy=1, claims_ok=True, ready=True)
STUCK = replace(CHILD, pid=102, beat_age_seconds=BEAT_LIMIT_SECONDS + 1)
STARTING = replace(CHILD, pid=103, claims_ok=False, ready=False)

# Python warns of forks beside threads, rightly; these tests show that ours are safe.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class Worker:
    """A worker as the endpoint sees it; `health` is turned by hand."""

    def __init__(self, port: int) -> None:
        self.health = Health(children=[CHILD], stopping=False, ready=True)
        self.metrics = WorkerMetrics(7, "abc123")
        self.port = port
        self.endpoint = self.new_endpoint()

    def new_endpoint(self) -> MetricsEndpoint:
        return MetricsEndpoint(HOST, self.port, self.metrics.registry, lambda: self.health)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(free_port())
    worker.endpoint.start()
    yield worker
    worker.endpoint.stop()


def test_metrics_are_served_as_plain_text(worker: Worker) -> None:
    worker.metrics.observe(CHILD.pid, Observation(busy=1, idle=4))
    status, content_type, body = worker.get("/metrics")
    families = {family.name for family in parse_plain(body)}
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert {"podwork_worker_slots", "podwork_build_info"} <= families


def test_metrics_are_served_as_openmetrics_on_request(worker: Worker) -> None:
    worker.metrics.observe(CHILD.pid, Observation(busy=1, idle=4))
    accept = "application/openmetrics-text; version=1.0.0"
    status, content_type, body = worker.get("/metrics", Accept=accept)
    assert (status, content_type.split(";")[0]) == (200, "application/openmetrics-text")
    assert "podwork_worker_slots" in {family.name for family in parse_openmetrics(body)}  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_healthy_worker_is_alive_and_ready(worker: Worker, path: str) -> None:
    assert worker.get(path) == (200, "text/plain; charset=utf-8", "ok\n")


def test_verbose_lists_the_checks(worker: Worker) -> None:
    status, _, body = worker.get("/readyz?verbose")
    assert status == 200
    assert body.splitlines() == [
        "[+] children: 1 of 1 children beat within 10 s",
        "[+] not stopping: serving",
        "[+] claims: 1 of 1 children can claim from Redis",
        "ok",
    ]


def test_redis_being_away_makes_a_worker_unready_and_leaves_it_alive(worker: Worker) -> None:
    worker.health = Health([replace(CHILD, claims_ok=False)], stopping=False, ready=False)
    assert worker.get("/livez")[0] == 200
    status, _, body = worker.get("/readyz")
    assert status == 503
    assert "[-] claims: 0 of 1 children can claim from Redis" in body


def test_one_working_child_is_enough(worker: Worker) -> None:
    worker.health = Health([STUCK, STARTING, CHILD], stopping=False, ready=False)
    assert worker.get("/livez")[0] == 200
    assert worker.get("/readyz")[0] == 200


def test_a_worker_whose_children_are_all_stuck_is_dead(worker: Worker) -> None:
    worker.health = Health([STUCK], stopping=False, ready=False)
    status, _, body = worker.get("/livez")
    assert status == 503
    assert "[-] children: 0 of 1" in body


def test_a_stopping_worker_is_alive_but_not_ready(worker: Worker) -> None:
    worker.health = Health([CHILD], stopping=True, ready=False)
    assert worker.get("/livez")[0] == 200
    assert worker.get("/readyz")[0] == 503
    worker.health = Health([], stopping=True, ready=False)
    assert worker.get("/livez")[0] == 200, "its last child has ended: it must not be killed for that"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz", "/%2e%2e/etc/passwd"])
def test_there_is_nothing_else(worker: Worker, path: str) -> None:
    assert worker.get(path)[0] == 404


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/nothing"])
def test_head_is_get_without_the_body(worker: Worker, path: str) -> None:
    assert worker.get(path, "HEAD") == (*worker.get(path)[:2], "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(worker: Worker, method: str) -> None:
    assert worker.get("/metrics", method)[0] == 501


def test_requests_are_not_logged(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/metrics", "/livez", "/nothing"):
        worker.get(path)
    assert capfd.readouterr() == ("", "")


def test_a_client_that_says_nothing_delays_nobody(worker: Worker) -> None:
    with socket.create_connection((HOST, worker.port)):
        assert worker.get("/livez")[0] == 200


def test_a_client_that_hangs_up_is_not_an_error(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((HOST, worker.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # close with a reset
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert worker.get("/livez")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_the_address_is_known_while_it_listens(worker: Worker) -> None:
    assert worker.endpoint.address == f"{HOST}:{worker.port}"
    worker.endpoint.stop()
    assert worker.endpoint.address is None


def test_a_taken_port_is_said_in_one_line(worker: Worker) -> None:
    with pytest.raises(PortTaken) as caught:
        worker.new_endpoint().start()
    assert str(worker.port) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_wrong_setting(host: str) -> None:
    metrics = WorkerMetrics(7, "abc123")
    health = Health([], stopping=False, ready=False)
    with pytest.raises(ConfigurationError, match="set metrics"):
        MetricsEndpoint(host, free_port(), metrics.registry, lambda: health).start()


def test_it_can_be_started_again(worker: Worker) -> None:
    worker.endpoint.stop()
    worker.endpoint.start()
    assert worker.get("/livez")[0] == 200


@forks
def test_a_child_does_not_hold_the_port(worker: Worker) -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(1)
    try:
        assert worker.get("/livez")[0] == 200, "the parent still serves"
        worker.endpoint.stop()
        again = worker.new_endpoint()
        again.start()
        again.stop()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_no_child_is_forked_while_an_answer_is_being_made(worker: Worker, path: str) -> None:
    found: list[bool] = []

    def look() -> Health:
        # A lock that can be taken again by its holder has to be tried by somebody else.
        probe = threading.Thread(target=lambda: found.append(fork_gate.acquire(blocking=False)))
        probe.start()
        probe.join()
        return worker.health

    class Looking(Collector):
        def collect(self) -> Iterator[Metric]:
            look()
            return iter(())

    worker.metrics.registry.register(Looking())
    found.clear()
    worker.endpoint.stop()
    endpoint = MetricsEndpoint(HOST, worker.port, worker.metrics.registry, look)
    endpoint.start()
    try:
        worker.get(path)
    finally:
        endpoint.stop()
    assert found == [False]
