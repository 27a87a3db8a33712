"""What a person sees of plans: short as long as all goes well, and without secrets; it fits the terminal."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console, ConsoleDimensions

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.plan.deeds import Deed
from podwork_migrations.plan.states import PlanState
from podwork_migrations.plan.status import Lag, Outcome, Status
from podwork_ops.cli.migration_matrix import matrix
from podwork_ops.cli.migration_plan_report import ranges
from podwork_ops.cli.migration_report import write
from podwork_ops.cli.migration_rows import brief
from podwork_ops.cli.migration_screen import screen, sentence
from podwork_ops.cli.migration_watch import is_over
from podwork_ops.cli.output import Output
from tests.support.migration_statuses import NOW, moving_line, plan_line, pod_line, status, version_of

AT = datetime(2026, 11, 24, 14, 7, 2, tzinfo=UTC)
ERROR = (
    'sqlalchemy.exc.IntegrityError: (pymysql.err.IntegrityError) (1062, "Duplicate entry")\n'
    "[SQL: CREATE UNIQUE INDEX a ON b (c)]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)"
)
FIVE = "20261124120001"
SECOND = version_of(1)


def written(found: Status, waits: Mapping[int, str] | None = None, deeds: Any = ()) -> list[str]:
    out = Output(stdout=io.StringIO())
    write(out, found, waits or {}, deeds)
    assert isinstance(out.stdout, io.StringIO)
    return out.stdout.getvalue().splitlines()


def document(found: Status, waits: Mapping[int, str] | None = None) -> Any:
    out = Output("json", stdout=io.StringIO())
    write(out, found, waits or {})
    assert isinstance(out.stdout, io.StringIO)
    return json.loads(out.stdout.getvalue())


def shown(
    found: Status, waits: Mapping[int, str] | None = None, width: int = 80, height: int = 24
) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, color_system=None)
    console.print(screen(found, waits or {}, ConsoleDimensions(width, height), "14:07:02  q: quit"))
    return [text.rstrip() for text in stream.getvalue().splitlines()]


def fleet() -> Status:
    return status(
        pod_line(1, "aa", wave=0),
        pod_line(2, "ar"),
        pod_line(3, "af", error=ERROR, next_action="podctl migrations retry --pod 3, or skip"),
        *(pod_line(pod, "..", wave=2) for pod in (4, 5, 6, 8)),
        pod_line(7, "..", wave=2, blocked="it is frozen"),
        moving=(
            moving_line(2, SECOND, throttle_reason="replica_lag 12 s, limit 5 s"),
            moving_line(3, SECOND, state=EntryState.FAILED, error=ERROR, attempts=2, next_action="retry it"),
        ),
        plans=(
            plan_line(failed=1, blocked=1, throttled=1, slowest_pod_id=2),
            plan_line(2, state=PlanState.SUCCEEDED),
        ),
    )


# The matrix


def test_pods_that_stand_alike_are_one_row() -> None:
    seen = matrix(fleet(), {})
    assert [(group.which, group.wave_words, group.state_words, group.cells) for group in seen.groups] == [
        ("1", "canary", "done", "aa"),
        ("2", "1", "running", "ar"),
        ("3", "1", "failed", "af"),
        ("4-6, 8", "2", "waiting", ".."),
        ("7", "2", "blocked", ".."),
    ]
    assert [group.why for group in seen.groups] == ["", "", "", "", "it is frozen"]


def test_who_waits_for_something_else_stands_alone() -> None:
    seen = matrix(
        status(pod_line(1, "."), pod_line(2, ".")), {2: "1 of 1 workers run code that does not know it"}
    )
    assert [(group.which, group.why) for group in seen.groups] == [
        ("1", ""),
        ("2", "1 of 1 workers run code that does not know it"),
    ]


def test_what_is_alike_everywhere_stands_beside_the_matrix() -> None:
    done, doing, pending = "a" * 300, "r", "." * 199
    lines = [pod_line(pod, done + ("a" if pod < 100 else doing) + pending) for pod in range(1, 201)]
    seen = matrix(status(*lines), {})
    assert [column.version for column in seen.columns] == [version_of(300)]
    assert [(group.which, group.cells) for group in seen.groups] == [("1-99", "a"), ("100-200", "r")]
    assert seen.rest == "not shown: 300 done everywhere, 199 pending everywhere"


def test_of_few_migrations_all_are_shown() -> None:
    seen = matrix(status(pod_line(1, "a."), pod_line(2, "a.")), {})
    assert (len(seen.columns), seen.rest, seen.in_words) == (2, "", True)


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([1, 2, 3, 7, 9, 8], "1-3, 7-9"), ([5, 6], "5-6")]
)
def test_pods_are_written_shortly(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


# Tables


def test_the_status_has_plans_matrix_what_is_under_way_and_what_to_do() -> None:
    lines = written(fleet())
    assert lines[0].split() == [
        "PLAN", "STATE", "WAVE", "DONE", "RUNNING", "THROTTLED", "FAILED", "BLOCKED", "ETA", "SLOWEST", "FOR",
    ]  # fmt: skip
    assert lines[1].split()[:9] == ["3", "running", "1", "of", "2", "2", "of", "8", "1"]
    assert "1  20261124120001_change_1  schema  3 applied, 5 pending" in lines
    rows = [line.split() for line in lines]
    assert ["4-6,", "8", "2", "waiting", "pending", "pending", "-"] in rows
    assert ["7", "2", "blocked", "pending", "pending", "it", "is", "frozen"] in rows
    [backfill] = [row for row in rows if row[:3] == ["2", f"{SECOND}_change_2", "running"]]
    assert backfill[2:] == [
        "running", "data:", "backfilling", "250", "of", "1,000", "25.0%", "50/s", "15s", "0.4s", "1",
        "replica_lag", "12", "s,", "limit", "5", "s",
    ]  # fmt: skip
    assert lines[-1] == "next: pod 3: retry it", "once, though the matrix knows an action, too"


def test_many_migrations_are_letters_with_a_legend() -> None:
    lines = written(status(pod_line(1, "aararar"), pod_line(2, "asfu.fa")))
    assert [line.split() for line in lines if line.startswith("PODS")] == [["PODS", "WAVE", "STATE", "1-6"]]
    assert [line.split()[2:] for line in lines if line[:2] in ("1 ", "2 ")][-2:] == [
        ["running", "ararar"],
        ["failed", "sfu.fa"],
    ]
    assert "not shown: 1 done everywhere" in lines
    assert lines[-1].startswith(". pending, r running, f failed, a applied, e edited, s skipped")


def test_what_is_over_has_no_wave_and_nothing_to_do() -> None:
    lines = written(
        status(
            pod_line(1, "a"),
            plans=(plan_line(state=PlanState.SUCCEEDED, eta_seconds=None),),
            outcome=Outcome.OK,
        )
    )
    assert "WAVE" not in lines[0]
    assert not any(line.startswith("next:") for line in lines)


def test_a_plan_says_why_it_halted_and_who_did_what_to_it() -> None:
    halted = plan_line(state=PlanState.HALTED, reason=f"canary pod 1 failed: {ERROR}", next_action="mend it")
    lines = written(
        status(pod_line(1, "f"), plans=(halted,)), deeds=[Deed(NOW - 50, "started", "ann@desk", "")]
    )
    assert 'plan 3 is halted: canary pod 1 failed: IntegrityError: (1062, "Duplicate entry")' in lines
    assert ["started", "50s", "ago", "ann@desk", "-"] in [line.split() for line in lines]
    assert lines[-1] == "next: plan 3: mend it"


def test_without_plans_it_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    write(out, Status(NOW, Outcome.OK, [], None, [], [], []))
    assert capsys.readouterr().err == "no plans - make one: podctl migrations plan\n"


@pytest.mark.parametrize(
    ("lag", "words", "why"),
    [
        (None, None, None),
        (Lag(12.4), "12s", None),
        (Lag(0.0), "0.0s", None),
        (Lag(None, "Last_Errno 1062"), "stopped", "a replica does not follow: Last_Errno 1062"),
        (Lag(None, "access denied", is_known=False), "?", None),
    ],
)
def test_how_far_replicas_are_behind_is_a_column(lag: Lag | None, words: str | None, why: str | None) -> None:
    found = status(pod_line(1, "r"), moving=(moving_line(1, version_of(0), lag=lag),))
    [row] = document(found)["moving"]
    assert (row["replica_lag_words"], row["replica_lag_seconds"]) == (words, lag and lag.seconds)
    assert row["replica_lag_why"] == (lag.why or None if lag else None)
    lines = written(found)
    [header] = [line for line in lines if line.startswith("POD ")]
    assert ("LAG" in header.split()) == (words is not None)
    assert (why is None) or any(line.endswith(why) for line in lines)
    assert (words is None) or f"lag {words}" in sentence(found, {}, AT)
    assert (words is None) or any(f"lag {words}" in line for line in shown(found, width=160))


def test_two_hundred_pods_fit_a_few_screens_and_what_failed_is_shown() -> None:
    pods = [pod_line(pod, "f" if pod > 195 else "r", next_action=f"look at {pod}") for pod in range(1, 201)]
    moving = [
        moving_line(pod, SECOND, state=EntryState.FAILED if pod > 195 else EntryState.RUNNING)
        for pod in range(1, 201)
    ]
    lines = written(status(*pods, moving=tuple(moving)))
    assert len(lines) < 75
    assert [line.split()[0] for line in lines if " failed " in line][-5:] == [
        "196",
        "197",
        "198",
        "199",
        "200",
    ]
    assert "160 more: podctl migrations status -o json" in lines
    assert lines[-1] == "188 more to do: podctl migrations status -o json"
    assert len([line for line in lines if line.startswith("next:")]) == 12


def test_json_has_everything_by_name() -> None:
    found = document(fleet(), {4: "nobody is there"})
    assert (found["outcome"], found["plan"]) == ("running", 3)
    assert found["migrations"][1]["pods"] == {"applied": 1, "running": 1, "failed": 1, "pending": 5}
    [third, fourth] = found["pods"][2:4]
    assert third["migrations"] == {FIVE: "applied", SECOND: "failed"}
    assert fourth["waits_for"] == "nobody is there"
    assert found["moving"][0]["share"] == 0.25
    assert found["moving"][1]["error"] == ERROR, "all of it, for those who have to mend it"


def test_no_secret_is_shown() -> None:
    secret = "cannot connect to mysql://root:hunter2@db"
    found = status(
        pod_line(1, "f", error=secret, blocked=secret),
        plans=(plan_line(reason=secret),),
        moving=(moving_line(1, FIVE, state=EntryState.FAILED, error=secret, throttle_reason=secret),),
    )
    for text in (
        "\n".join(written(found)),
        json.dumps(document(found)),
        "\n".join(shown(found)),
        sentence(found, {}, AT),
    ):
        assert "hunter2" not in text
        assert "root" in text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ERROR, 'IntegrityError: (1062, "Duplicate entry")'),
        (f"pod 1 failed: {ERROR}", 'pod 1 failed: IntegrityError: (1062, "Duplicate entry")'),
        ("ValueError: no rows\nat line 9", "ValueError: no rows"),
        ("it said [SQL", "it said [SQL"),
        ("", None),
    ],
)
def test_an_error_is_said_in_the_databases_own_words(error: str, said: str | None) -> None:
    assert brief(error) == said


# The screen


def test_the_screen_has_a_bar_for_the_plan_and_one_for_each_pod_under_way() -> None:
    lines = shown(fleet(), width=160)
    assert lines[1] == "plan 3  2 migrations, 8 pods  release 42"
    assert lines[2] == "running  wave 1 of 2"
    bars = [
        text.replace("━", " ").replace("╸", " ").replace("╺", " ").split() for text in lines if "%" in text
    ]
    assert bars[0][:5] == ["pods", "25.0%", "2", "of", "8"]
    assert bars[1][:8] == ["pod", "2", "25.0%", "250", "of", "1,000", "50/s", "ETA"]
    assert "pod 2: replica_lag 12 s, limit 5 s" in lines
    assert "next: pod 3: retry it" in lines


def test_it_fits_a_small_terminal_and_counts_the_rest() -> None:
    many = status(
        *(pod_line(pod, "ar" if pod % 2 else "aa", wave=pod) for pod in range(1, 60)),
        moving=tuple(moving_line(pod, SECOND) for pod in range(1, 60, 2)),
    )
    lines = shown(many)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert sum("more" in line for line in lines) >= 2


def test_a_directory_that_does_not_answer_is_said_above_what_was_seen() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, height=24, color_system=None)
    console.print(screen(fleet(), {}, ConsoleDimensions(100, 24), "14:07", "the directory does not answer"))
    assert stream.getvalue().splitlines()[1].rstrip() == "the directory does not answer"


def test_in_a_pipe_it_is_a_line() -> None:
    line = sentence(fleet(), {4: "nobody is there"}, AT)
    assert line.startswith(
        "14:07:02 plan 3 running, wave 1 of 2: 2 of 8 pods done; ETA 2m; pod 4 waits: nobody"
    )
    assert (
        f"pod 2 {SECOND}_change_2 running, data: backfilling, 250 of 1,000, 50/s, ETA 15s, replica_lag"
        in line
    )
    assert "\n" not in line


@pytest.mark.parametrize(
    ("state", "outcome", "over"),
    [
        (PlanState.RUNNING, Outcome.RUNNING, False),
        (PlanState.RUNNING, Outcome.FAILED, False),
        (PlanState.SOAKING, Outcome.RUNNING, False),
        (PlanState.RUNNING, Outcome.BLOCKED, True),
        (PlanState.HALTED, Outcome.FAILED, True),
        (PlanState.HELD, Outcome.BLOCKED, True),
        (PlanState.SUCCEEDED, Outcome.OK, True),
    ],
)
def test_it_is_watched_as_long_as_it_goes_on_by_itself(
    state: PlanState, outcome: Outcome, over: bool
) -> None:
    assert is_over(status(pod_line(1, "."), plans=(plan_line(state=state),), outcome=outcome)) is over


def test_five_hundred_migrations_on_two_hundred_pods_are_drawn_in_a_moment() -> None:
    mixed = [pod_line(pod, "".join("arf."[(pod * place) % 4] for place in range(500))) for pod in range(200)]
    found = status(*mixed)
    began = time.process_time()
    written(found)
    shown(found)
    document(found)
    assert time.process_time() - began < 5
