"""One frame of top: rates between two looks, the worst first, and never wider or higher than the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions

from podwork.errors import StoreUnavailable
from podwork.holds import ANY, Hold
from podwork.inspection import Counts, ProcessState, QueueState
from podwork_ops.cli.top_frame import frame_of
from podwork_ops.cli.top_sample import Glance, Look
from podwork_ops.cli.top_screen import compact, divide, lines, per_second, screen, tables

PAUSE = Hold("queue=low", "low", ANY, ANY, None, "shard is busy", "anna", 0.0)
DOWN = StoreUnavailable("redis2:6379", "Connection refused")


def process(name: str = "web3:4711:a1b2", lease_seconds: float = 10.0, **fields: Any) -> ProcessState:
    said = {"slots": 5, "busy": 5, "lease_ms": 15000, "rss_bytes": 60 << 20, "revision": "abc123", **fields}
    return ProcessState(name, {key: str(value) for key, value in said.items()}, 7, lease_seconds)


def look(at: float = 1.0, **changes: Any) -> Look:
    made = Look(at, Counts(10, 5, 3, 0, 1), {}, [QueueState("default", 10, 2, 4.0, 3.0)], [process()], [])
    return made._replace(**changes)


def glance(**changes: Any) -> Glance:
    return Glance(look(0.0), look(2.0, **changes), None)


def test_rates_are_what_counters_grew_by_in_a_second() -> None:
    before = look(10.0, totals={"accepted": 100, "acknowledged": 50, "retried": 7})
    now = look(12.0, totals={"accepted": 300, "acknowledged": 60, "expired": 4, "retried": 7, "buried": 1})
    [pod] = frame_of({1: Glance(before, now, None)}).pods
    assert (pod["in_per_second"], pod["out_per_second"]) == (100, 7)
    assert (pod["retried_per_second"], pod["buried_per_second"]) == (0, 0.5)


def test_after_the_first_look_or_a_restart_of_redis_there_is_no_rate() -> None:
    [pod] = frame_of({1: Glance(None, look(), None)}).pods
    assert pod["in_per_second"] is None
    [pod] = frame_of(
        {1: Glance(look(1.0, totals={"accepted": 9}), look(2.0, totals={"accepted": 1}), None)}
    ).pods
    assert pod["in_per_second"] is None


def test_a_queue_shows_how_it_grows_and_what_flows_through_it_where_claims_are_counted() -> None:
    before = look(10.0, queues=[QueueState("default", 100, 2, 0.0)], totals={"claimed:default": 50})
    now = look(12.0, queues=[QueueState("default", 80, 2, 0.0)], totals={"claimed:default": 90})
    [queue] = frame_of({1: Glance(before, now, None)}).queues
    assert queue["growth_per_second"] == -10
    assert (queue["in_per_second"], queue["out_per_second"]) == (10, 20)
    [queue] = frame_of({1: Glance(look(0.0), look(2.0), None)}).queues
    assert (queue["in_per_second"], queue["out_per_second"]) == (None, None)


def test_a_queue_that_is_new_grew_from_nothing() -> None:
    [queue] = frame_of({1: Glance(look(0.0, queues=[]), look(2.0), None)}).queues
    assert queue["growth_per_second"] == 5


def test_who_waits_longest_comes_first_what_is_paused_behind_and_what_is_empty_last() -> None:
    queues = [
        QueueState("empty", 0, 0, 0.0, 0.0),
        QueueState("low", 10, 1, 900.0, 900.0),
        QueueState("fresh", 500, 1, 1.0, 1.0),
        QueueState("late", 1, 1, 60.0, 60.0),
    ]
    frame = frame_of({1: glance(queues=queues, holds=[PAUSE])})
    assert [row["queue"] for row in frame.queues] == ["late", "fresh", "low", "empty"]
    assert frame.queues[2]["why"] == "anna: shard is busy"
    assert frame.pods[0]["latency_seconds"] == 60, "a pause is no trouble of the pod"


def test_a_hold_on_a_part_of_a_queue_is_named_and_is_no_pause() -> None:
    part = Hold("shop=7", ANY, ANY, "7", None, "floods", "anna", 0.0)
    [queue] = frame_of({1: glance(holds=[part])}).queues
    assert (queue["paused"], queue["why"]) == (False, "in part: shop=7")


def test_a_hold_whose_time_is_over_pauses_nothing_though_nobody_has_lifted_it_yet() -> None:
    over = PAUSE._replace(queue="default", until=1.0)
    [queue] = frame_of({1: glance(holds=[over])}).queues
    assert (queue["paused"], queue["why"]) == (False, None)


def test_jobs_of_which_nobody_knows_the_age_have_none() -> None:
    """Behind a hold on their shop they stand outside the ring, where nobody looks."""
    [queue] = frame_of({1: glance(queues=[QueueState("default", 10, 2, 0.0, 0.0, outside=2)])}).queues
    assert (queue["latency_seconds"], queue["oldest_seconds"]) == (None, None)


def test_pods_that_do_not_answer_come_first_and_hide_none_of_the_others() -> None:
    frame = frame_of({1: glance(), 2: Glance(look(0.0), look(1.0), DOWN), 3: Glance(None, None, DOWN)})
    assert [row["pod_id"] for row in frame.pods] == [2, 3, 1]
    assert "redis2:6379" in frame.pods[0]["error"]
    assert {row["pod_id"] for row in frame.queues} == {1}, (
        "what was seen before is not shown as if it were now"
    )


def test_processes_in_trouble_come_first_then_the_busy_ones() -> None:
    processes = [
        process("idle:1:a", busy=0),
        process("busy:1:a"),
        process("quiet:1:a", quiet=1),
        process("silent:1:a", lease_seconds=-1.0),
        process("stopping:1:a", quiet=1, stopping=1),
    ]
    frame = frame_of({1: glance(processes=processes)})
    assert [row["incarnation"].split(":")[0] for row in frame.processes] == [
        "silent", "stopping", "quiet", "busy", "idle",
    ]  # fmt: skip


def shown(frame: Any, width: int, height: int) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, color_system=None)
    console.print(screen(frame, ConsoleDimensions(width, height), "3 pods"))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 15)])
def test_the_screen_fits_the_terminal_however_much_there_is(width: int, height: int) -> None:
    queues = [QueueState(f"queue-{n:02}", 99_999_999, 123_456, 900.0 - n, 900.0 - n) for n in range(30)]
    processes = [process(f"a-host-with-a-long-name-{n}.example:{n}:a1b2c3d4") for n in range(30)]
    totals = {"accepted": 10_000_000, "acknowledged": 9_000_000, "retried": 12_345, "buried": 999}
    pods = {
        n: Glance(
            look(0.0), look(1.0, queues=queues, processes=processes, totals=totals, holds=[PAUSE]), None
        )
        for n in range(1, 9)
    }
    found = shown(frame_of({**pods, 9: Glance(None, None, DOWN)}), width, height)
    assert len(found) <= height
    assert max(map(len, found)) <= width
    text = "\n".join(found)
    assert "pod 9: Redis at redis2:6379" in text
    assert "queue-00" in text, "the worst is what is seen"
    assert text.count(" more") == (3 if height < 40 else 2), "and what is not is counted"
    assert not any("…" in line for line in found if line.startswith(" ") and "queue-" in line), (
        "numbers are whole"
    )


def test_a_small_frame_shows_everything_and_a_total_of_several_pods() -> None:
    found = shown(frame_of({1: glance(), 2: glance()}), 80, 24)
    assert [line.split()[0] for line in found[2:5]] == ["all", "1", "2"]
    assert found[2].split()[1] == "20", "ready jobs of both"
    assert " more" not in "\n".join(found)
    assert "all" not in shown(frame_of({1: glance()}), 80, 24)[2], "one pod is its own total"


def test_a_pod_without_queues_and_processes_says_so() -> None:
    text = "\n".join(shown(frame_of({1: glance(queues=[], processes=[])}), 80, 24))
    assert "no queues" in text
    assert "no processes" in text


def test_in_a_pipe_a_pod_is_a_line() -> None:
    at = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    first, second = lines(frame_of({1: glance(), 2: Glance(None, None, DOWN)}), at)
    assert first.startswith("12:00:00 pod 2: Redis at redis2:6379 does not answer")
    assert second.startswith("12:00:00 pod 1: 10 ready, 5 held, 3 scheduled, 0 parked, 1 dead; in 0/s")
    assert second.endswith("5/5 busy, default waits 3.0s")


def test_one_frame_cuts_nothing() -> None:
    why = "a reason that is much longer than a terminal is wide, and that is why it stands here"
    frame = frame_of({1: glance(queues=[QueueState("low", 1, 1, 9.0)], holds=[PAUSE._replace(reason=why)])})
    stream = io.StringIO()
    for part in tables(frame):
        Console(file=stream, width=1000, color_system=None).print(part)
    assert why in stream.getvalue()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"), (0, "0"), (9_999, "9999"), (10_000, "10.0k"), (12_345, "12.3k"), (123_456, "123k"),
        (1_234_567, "1.2M"), (123_456_789, "123M"), (5_000_000_000, "5.0G"), (-12_345, "-12.3k"),
    ],
)  # fmt: skip
def test_numbers_are_short(number: float | None, text: str) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(None, "-"), (0, "0"), (0.5, "0.5"), (9.94, "9.9"), (12.3, "12")]
)
def test_small_rates_have_a_decimal(number: float | None, text: str) -> None:
    assert per_second(number) == text


@pytest.mark.parametrize(
    ("room", "wanted", "shares"),
    [
        (20, [2, 5, 4], [2, 5, 4]),
        (20, [2, 50, 4], [2, 14, 4]),
        (20, [2, 50, 40], [2, 9, 9]),
        (20, [0, 3, 50], [0, 3, 17]),
        (8, [50, 50, 50], [3, 3, 2]),
        (-1, [2, 5, 4], [0, 0, 0]),
    ],
)
def test_lines_are_shared_so_that_every_table_shows_its_worst(
    room: int, wanted: list[int], shares: list[int]
) -> None:
    assert divide(room, wanted) == shares
