"""Top on a terminal, in a pipe and as JSON; it ends as it was asked to and leaves the terminal as it was."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import Terminal, a_pod_is_down, operate, push, start_worker

ALTERNATE_SCREEN_OFF = "\x1b[?1049l"


@pytest.fixture(autouse=True)
def _operators(podctl: Podctl) -> None:
    operate(podctl)


@pytest.mark.parametrize(
    "leave",
    [lambda terminal: terminal.press("q"), lambda terminal: terminal.interrupt()],
    ids=["q", "Ctrl-C"],
)
def test_the_screen_shows_everything_and_is_left_as_it_was(
    podctl: Podctl, cli_stack: Path, leave: Callable[[Terminal], None]
) -> None:
    push(cli_stack, shops={501: 3})
    terminal = Terminal(podctl, "top", "--every", "200ms")
    for text in ("2 pods", "RETRY/S", "GROWS/S", "default", "no processes", "q: quit"):
        terminal.wait_for(text)
    leave(terminal)
    assert terminal.end() == 0, terminal.text
    assert terminal.text.rstrip().endswith((ALTERNATE_SCREEN_OFF, "\x1b[?25h")), (
        "the old screen, with its cursor"
    )
    assert terminal.after == terminal.before
    terminal.close()


def test_one_frame_has_rates_queues_and_processes(podctl: Podctl, cli_stack: Path) -> None:
    push(cli_stack, shops={511: 3})
    start_worker(podctl, "--queues", "critical", revision="top")
    frame = podctl.json("top", "--once", "--every", "100ms")
    assert [row["pod_id"] for row in frame["pods"]] != []
    pods = {row["pod_id"]: row for row in frame["pods"]}
    assert set(pods) == {1, 2}
    assert pods[1]["ready"] >= 3
    assert pods[1]["in_per_second"] == 0
    assert pods[1]["slots"] >= 2
    queue = next(row for row in frame["queues"] if (row["pod_id"], row["queue"]) == (1, "default"))
    assert queue["latency_seconds"] > 0
    assert "top" in {row["revision"] for row in frame["processes"]}
    text = podctl("top", "--once", "--pod", "1", "--every", "100ms").stdout
    assert text.splitlines()[0].split()[:3] == ["POD", "READY", "HELD"]
    assert "\x1b" not in text


def test_in_a_pipe_it_writes_lines_until_it_is_interrupted(podctl: Podctl) -> None:
    piped = podctl.start("top", "--every", "100ms")
    piped.wait_for_output("pod 2: ")
    piped.signal(signal.SIGINT)
    done = piped.wait()
    assert (done.code, done.stderr) == (0, "")
    assert all(" pod " in line and " ready, " in line for line in done.stdout.splitlines())


def test_as_json_it_writes_a_document_for_each_look(podctl: Podctl) -> None:
    piped = podctl.start("top", "-o", "json", "--every", "100ms")
    piped.wait_for_output('"at"')
    piped.signal(signal.SIGINT)
    documents = [json.loads(line) for line in piped.wait().stdout.splitlines()]
    assert documents
    assert all({"at", "pods", "queues", "processes"} == set(document) for document in documents)


def test_a_pod_that_is_down_is_named_and_hides_none_of_the_others(podctl: Podctl, cli_stack: Path) -> None:
    with a_pod_is_down(cli_stack) as down:
        once = podctl("top", "--once", "--every", "100ms", "-o", "json")
        assert once.code == 7
        assert f"podctl: pod {down}: Redis at 127.0.0.1:1" in once.stderr
        document = json.loads(once.stdout)
        assert document["pods"][0]["pod_id"] == down, "the worst first"
        assert document["pods"][0]["error"].startswith("Redis at 127.0.0.1:1")
        assert {row["pod_id"] for row in document["pods"] if row["error"] is None} == {1, 2}
        terminal = Terminal(podctl, "top", "--every", "200ms")
        terminal.wait_for(f"pod {down}: Redis at 127.0.0.1:1")
        terminal.wait_for("GROWS/S")
        terminal.press("q")
        assert terminal.end() == 0
        terminal.close()


def test_terminated_it_gives_the_screen_back(podctl: Podctl) -> None:
    terminal = Terminal(podctl, "top", "--every", "200ms")
    terminal.wait_for("GROWS/S")
    terminal.terminate()
    assert terminal.end() == 143
    assert ALTERNATE_SCREEN_OFF in terminal.text
    assert terminal.after == terminal.before
    terminal.close()


def test_an_unknown_pod_is_refused(podctl: Podctl) -> None:
    assert "unknown pod 7" in podctl.refused(6, "top", "--pod", "7")
    assert "write 25s" in podctl.refused(2, "top", "--every", "often")
