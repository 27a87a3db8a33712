"""What a person sees of runs: it fits the terminal, names what holds them back, and shows no secret."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions

from podwork.errors import StoreUnavailable
from podwork.iteration.states import RunState
from podwork_ops.cli.output import Output
from podwork_ops.cli.run_report import document_of, write
from podwork_ops.cli.run_rows import limits_in_words, percent, rate
from podwork_ops.cli.run_sample import Sight
from podwork_ops.cli.run_screen import screen, sentence
from podwork_pods.iteration.partition import PartitionState
from podwork_pods.iteration.rollup import Rollup
from podwork_pods.iteration.status import RunStatus
from tests.support.run_statuses import NOW, RUN_ID, made, made_part, sight

AT = datetime(2026, 11, 24, 14, 7, 2, tzinfo=UTC)
LAG = "replica_lag 12 s, limit 5 s"
DOWN = StoreUnavailable("redis2:6379", "Connection refused")


def on_pods(pods: int = 3, rows: int = 489_769, **last: Any) -> list[RunStatus]:
    runs = [
        made(rows // 2, rows_total=rows, id=f"run-{pod}", group_id="group-1", pod_id=pod)
        for pod in range(1, pods)
    ]
    return [*runs, made(0, rows_total=rows, id=f"run-{pods}", group_id="group-1", pod_id=pods, **last)]


def shown(what: Sight, width: int = 80, height: int = 24) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, color_system=None)
    console.print(screen(what, ConsoleDimensions(width, height), "14:07:02  q: quit"))
    return [text.rstrip() for text in stream.getvalue().splitlines()]


def test_a_group_has_a_bar_for_all_and_one_for_each_pod() -> None:
    lines = shown(sight(*on_pods(state=RunState.THROTTLED, reason=LAG), rate=24_488.45))
    text = "\n".join(lines)
    assert "shop.FillNetPrice  group-1  3 pods  percent=95" in text
    bars = [text.replace("━", " ").replace("╸", " ").split() for text in lines if "%" in text]
    assert [words[:2] for words in bars[1:]] == [["pod", "1"], ["pod", "2"], ["pod", "3"]]
    assert bars[0] == ["all", "33.3%", "489,768", "of", "1,469,307", "73,465/s", "ETA", "20s"]
    assert bars[1][2:] == ["50.0%", "244,884", "of", "489,769", "24,488/s", "ETA", "10s"]
    assert bars[3][2:] == ["0%", "0", "of", "489,769", "24,488/s", "throttled"]
    assert f"pod 3: {LAG}" in lines
    assert "running (2 running, 1 throttled)  worked 20s" in lines


def test_a_run_alone_has_one_bar_and_its_partitions_the_worst_first() -> None:
    parts = [
        made_part(0, 400, state=PartitionState.DONE),
        made_part(1, 200, interruptions=2),
        made_part(2, 0, state=PartitionState.WAITING),
        made_part(3, 0, attempts=3, state=PartitionState.FAILED, last_error="ValueError: no rows\nat line 9"),
    ]
    lines = shown(sight(made(parts=parts, shop_id=330, rows_total=2000)))
    assert sum("━" in text for text in lines) == 1
    assert any("shop 330" in text for text in lines)
    header = next(number for number, text in enumerate(lines) if text.startswith("PART "))
    assert [text.split()[0] for text in lines[header + 1 :] if text] == ["3", "1", "2", "0"]
    assert "part 3: ValueError: no rows" in lines
    assert "running  worked 20s, 2 interruptions" in lines


def test_a_run_that_is_not_counted_has_no_share_and_no_end() -> None:
    [bar] = [text.split() for text in shown(sight(made(1200, rows_total=None))) if "━" in text]
    assert bar[-3:] == ["?", "1,200", "100/s"]


def test_a_run_that_nobody_has_begun_says_so() -> None:
    run = made(0, [], state=RunState.ENQUEUED, started=None, rows_total=None, reason="its job is ready")
    text = "\n".join(shown(sight(run, rate=None)))
    assert "enqueued  not begun" in text
    assert "pod 1: its job is ready" in text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (80, 15)])
@pytest.mark.parametrize("pods", [1, 30])
def test_the_screen_fits_the_terminal_however_much_there_is(width: int, height: int, pods: int) -> None:
    why = "a reason that is much longer than any terminal is wide " * 5
    parts = [
        made_part(number, 99_999_999, attempts=999, last_error=why, interruptions=12_345)
        for number in range(100)
    ]
    runs = [
        made(
            parts=parts, id=f"run-{pod}", group_id="g", pod_id=pod, rows_total=99_999_999_999, reason=why,
            params={"text": why}, quarantined=10**6, revision=10**6,
        )
        for pod in range(1, pods + 1)
    ]  # fmt: skip
    found = shown(sight(*runs, rate=9_999_999.0, failures={99: DOWN}), width, height)
    assert max(map(len, found)) <= width
    assert len(found) <= height
    assert any("Connection refused" in text or "redis2" in text for text in found)


def test_a_pod_that_does_not_answer_is_named_and_its_run_is_not_over() -> None:
    over = made(1000, state=RunState.SUCCEEDED, ended=NOW)
    assert sight(over).is_over
    seen = sight(over, failures={2: DOWN})
    assert not seen.is_over
    assert any(text.startswith("pod 2: Redis at redis2:6379") for text in shown(seen))


def test_in_a_pipe_a_look_is_a_line() -> None:
    text = sentence(sight(*on_pods(state=RunState.THROTTLED, reason=LAG), rate=24_488.45), AT)
    assert text == (
        "14:07:02 running (2 running, 1 throttled): 489,768 of 1,469,307 rows, 33.3%, 73,465/s, ETA 20s; "
        f"pod 1 running 50.0%; pod 2 running 50.0%; pod 3 throttled 0%; pod 3: {LAG}"
    )
    alone = sentence(sight(made(1000, state=RunState.SUCCEEDED, ended=NOW)), AT)
    assert alone == "14:07:02 succeeded: 1,000 of 1,000 rows, 100%"


def test_no_secret_is_shown() -> None:
    runs = [
        made(
            id=f"run-{pod}", pod_id=pod, params={"api_key": "hunter2", "note": "token=hunter2"},
            state=RunState.FAILED, reason="ValueError: password=hunter2",
            parts=[made_part(last_error="secret=hunter2", attempts=1, throttle_reason="token=hunter2")],
        )
        for pod in (1, 2)
    ]  # fmt: skip
    for some in (runs, runs[:1]):
        stream = io.StringIO()
        write(Output("table", stream), Rollup(some))
        everything = [*shown(sight(*some), 400), sentence(sight(*some), AT), stream.getvalue()]
        assert "hunter2" not in "\n".join([*everything, str(document_of(Rollup(some)))])


def test_one_look_cuts_nothing() -> None:
    why = "ValueError: a reason that is much longer than a terminal is wide, and that is why it stands here"
    stream = io.StringIO()
    parts = [made_part(attempts=1, last_error=why)]
    write(Output("table", stream), Rollup([made(parts=parts, rows_per_second=500.0, batch_most=50)]))
    text = stream.getvalue()
    assert why in text
    assert "at most          500 rows/s, 50 rows a batch, 2 partitions at once" in text
    assert RUN_ID in text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (0.0001, "0.0%"),
        (0.123, "12.3%"),
        (0.9999, "99.9%"),
        (0.99999999, "99.9%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_whole_only_at_the_end(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("rows", "text"), [(0.0, "0.0/s"), (3.21, "3.2/s"), (48_213.4, "48,213/s")])
def test_small_rates_have_a_decimal(rows: float, text: str) -> None:
    assert rate(rows) == text


def test_limits_in_words_name_only_what_is_limited() -> None:
    assert limits_in_words({"rate_limit": None, "batch_limit": None, "parallel": 1}) == "1 partition at once"
    limits = {"rate_limit": 0.5, "batch_limit": 1000, "parallel": 4}
    assert limits_in_words(limits) == "0.5 rows/s, 1,000 rows a batch, 4 partitions at once"
