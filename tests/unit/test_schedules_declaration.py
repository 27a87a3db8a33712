"""Declaring schedules, in code and in a file: what is refused, and how it is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podwork import App, Job
from podwork.errors import ConfigurationError
from podwork.schedules.declaration import Declaration
from podwork.schedules.file import declare_from
from podwork.unique import Unique


@pytest.fixture
def app() -> App:
    app = App("shop")

    @app.job(name="report", queue="low")
    def report(kind: str, days: int = 1) -> None: ...

    @app.job(name="nothing")
    def nothing() -> None: ...

    @app.job(name="of_a_shop")
    def of_a_shop(shop_id: int) -> None: ...

    @app.job(name="sweep", version=3, unique=Unique(), expires_in=600)
    class Sweep(Job):
        def run(self) -> None: ...

    return app


def declared(app: App) -> Declaration:
    (only,) = app.schedules
    return only


def test_a_call_carries_its_arguments(app: App) -> None:
    report = app.job_class("report")
    app.schedule(
        "nightly", report.call("full"), cron="0 3 * * *", zone="America/Toronto", description="For finance"
    )
    found = declared(app)
    assert (found.work.job_class, found.work.queue, found.work.args) == ("report", "low", '{"kind":"full"}')
    assert (found.timing.cron, found.timing.zone, found.timing.catch_up) == (
        "0 3 * * *",
        "America/Toronto",
        "one",
    )
    assert (found.app, found.description) == ("shop", "For finance")


def test_a_job_and_its_arguments_do_as_well(app: App) -> None:
    app.schedule(
        "often", app.job_class("report"), {"kind": "quick"}, every=timedelta(minutes=5), queue="critical"
    )
    found = declared(app)
    assert (found.work.queue, found.work.args) == ("critical", '{"kind":"quick"}')
    assert found.timing.every_ms == 300_000


def test_the_class_form_of_a_job(app: App) -> None:
    @app.job(name="sweep_too", version=3, unique=Unique(), expires_in=600)
    class Sweep(Job):
        def run(self) -> None: ...

    app.schedule("sweep", Sweep, every=60, jitter=5, at_least_every=300)
    found = declared(app)
    assert (found.timing.jitter_ms, found.timing.at_least_every_ms) == (5000, 300_000)
    assert (found.work.version, found.work.expires_in_ms) == (3, 600_000)
    assert found.work.extras == f"w:{found.work.locks[0].digest}"


def test_a_computed_interval_keeps_its_function_in_the_process(app: App) -> None:
    def next_run(last: datetime | None) -> datetime:
        return (last or datetime.now(UTC)) + timedelta(hours=1)

    app.schedule("adaptive", app.job_class("nothing"), next_run=next_run)
    assert declared(app).timing.computed
    assert app.schedules.functions == {"adaptive": next_run}


def test_what_is_declared_comes_back_from_redis_equal(app: App) -> None:
    """A difference would be written again and again, by every leader."""
    app.schedule(
        "full", app.job_class("sweep"), {}, cron="0 3 * * *", zone="Europe/Berlin", queue="low", jitter=1.5,
        catch_up="all", at_least_every=timedelta(days=2), description="Räumt auf",
    )  # fmt: skip
    found = declared(app)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Declaration) == found


def test_each_application_start_has_a_token_of_its_own() -> None:
    assert App("shop").schedules.token != App("shop").schedules.token


GOOD: dict[str, Any] = {"every": 60}


@pytest.mark.parametrize(
    ("name", "job", "args", "options", "says"),
    [
        ("two words", "nothing", None, GOOD, "'two words' is not a schedule's name"),
        ("a:b", "nothing", None, GOOD, "not a schedule's name"),
        ("n", "report", None, GOOD, "schedule n: report: missing argument kind"),
        ("n", "report", {"kind": 1}, GOOD, "kind: Expected `str`"),
        ("n", "report", {"kind": "a", "more": 1}, GOOD, "unknown argument more"),
        ("n", "of_a_shop", None, GOOD, "works for one shop"),
        ("n", "nothing", None, {}, "give one of cron, every and next_run"),
        ("n", "nothing", None, {"every": 60, "cron": "* * * * *"}, "give one of cron, every and next_run"),
        ("n", "nothing", None, {"every": 0.5}, "schedule n: every: .* one second or more"),
        ("n", "nothing", None, {"every": -1}, "every: -1 is no length of time"),
        ("n", "nothing", None, {"every": float("nan")}, "no length of time"),
        ("n", "nothing", None, {"every": True}, "no length of time"),
        ("n", "nothing", None, {"every": 60, "zone": "Europe/Berlin"}, "only a cron expression has a zone"),
        ("n", "nothing", None, {"cron": "0 3 * * *", "zone": "Mars/Olympus"}, "zone: there is no time zone"),
        ("n", "nothing", None, {"cron": "0 3 * *"}, "cron: .*Wrong number of fields"),
        ("n", "nothing", None, {"every": 60, "catch_up": "some"}, "catch_up: 'some'"),
        ("n", "nothing", None, {"every": 60, "jitter": -1}, "jitter: -1 is no length"),
        ("n", "nothing", None, {"every": 60, "queue": "Low Queue"}, "not a queue's name"),
        ("n", "nothing", None, {"every": 60, "description": "\ud800"}, "description: "),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_so_is_refused_when_it_is_declared(
    app: App, name: str, job: str, args: dict[str, Any] | None, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        app.schedule(name, app.job_class(job), args, **options)
    assert list(app.schedules) == []


def test_a_name_is_declared_once(app: App) -> None:
    app.schedule("n", app.job_class("nothing"), every=60)
    with pytest.raises(ConfigurationError, match="declared twice"):
        app.schedule("n", app.job_class("nothing"), every=90)


def test_arguments_are_given_once(app: App) -> None:
    with pytest.raises(ConfigurationError, match="arguments twice"):
        app.schedule("n", app.job_class("report").call("full"), {"kind": "quick"}, every=60)


# The file

FILE = """
[schedules.nightly_report]
class = "report"
queue = "critical"
args = { kind = "full", days = 7 }
cron = "0 3 * * *"
zone = "America/Toronto"
description = "Yesterday's sales for finance"
jitter_seconds = 60
catch_up = "all"
at_least_every = 90000

[schedules.sweep]
class = "sweep"
every = 300
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        file = tmp_path / "schedules.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_a_file_declares_as_code_does(app: App, write: Callable[[str], Path]) -> None:
    assert declare_from(write(FILE), app) == 2
    code = App("shop")
    code.job_classes = app.job_classes
    code.schedule(
        "nightly_report", app.job_class("report").call("full", 7), queue="critical", cron="0 3 * * *",
        zone="America/Toronto", description="Yesterday's sales for finance", jitter=60, catch_up="all",
        at_least_every=90_000,
    )  # fmt: skip
    code.schedule("sweep", app.job_class("sweep"), every=300)
    assert list(app.schedules) == list(code.schedules)


ONE = '[schedules.n]\nclass = "nothing"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[schedules.n]\nevery = 60\n', "schedules.n.class: missing"),
        ('[schedules.n]\nclass = "nothin"\nevery = 60\n', "schedules.n.class: .*'nothin' - did you mean"),
        (ONE, "schedules.n: rhythm: when does it run?"),
        (ONE + 'cron = "0 3 * *"\n', "schedules.n.cron: .*Wrong number of fields"),
        (ONE + 'cron = "0 3 * * *"\nzone = "Mars/Olympus"\n', "schedules.n.zone: there is no time zone"),
        (ONE + 'every = "5m"\n', "schedules.n.every: '5m' is not a number - give a number"),
        (ONE + "every = true\n", "schedules.n.every: True is not a number"),
        (ONE + "every = 60\njitter = 5\n", "schedules.n.jitter: no such key - did you mean jitter_seconds?"),
        (ONE + "every = 60\njitter_seconds = -5\n", "schedules.n.jitter_seconds: -5 is no length"),
        (ONE + 'every = 60\ncatch_up = "some"\n', "schedules.n.catch_up: 'some' - give none, one or all"),
        (ONE + "every = 60\nargs = { more = 1 }\n", "schedules.n.args: unknown argument more"),
        (ONE + 'every = 60\nargs = "more"\n', "schedules.n.args: 'more' is not a table"),
        ('[schedules.n]\nclass = "of_a_shop"\nevery = 60\n', "schedules.n: .*works for one shop"),
        ('[schedules."a b"]\nclass = "nothing"\nevery = 60\n', "'a b' is not a schedule's name"),
        ("schedules = 3\n", "not a schedule - write"),
        ("[schedules]\nn = 3\n", "schedules.n: 3 is not a schedule"),
        ('[nightly]\nclass = "nothing"\n', "nightly: not a schedule"),
        ("[schedules.n\n", "not TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(
    app: App, write: Callable[[str], Path], text: str, says: str
) -> None:
    file = write(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        declare_from(file, app)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_is_taken_whole_or_not_at_all(app: App, write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigurationError):
        declare_from(write(FILE + '[schedules.bad]\nclass = "nothing"\n'), app)
    assert list(app.schedules) == []


def test_a_file_that_is_not_there(app: App, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.toml: No such file"):
        declare_from(tmp_path / "gone.toml", app)


def test_a_name_is_declared_in_code_or_in_the_file(app: App, write: Callable[[str], Path]) -> None:
    app.schedule("sweep", app.job_class("nothing"), every=60)
    with pytest.raises(ConfigurationError, match=r"schedules\.sweep: it is declared in code"):
        declare_from(write(FILE), app)
