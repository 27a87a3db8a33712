"""`podctl jobs retry|discard|cancel|move-queue`: named jobs; and all that fit, frozen, counted, asked."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwork.interventions import PORTION
from tests.acceptance.conftest import Podctl
from tests.acceptance.jobs_standing import FINGERPRINT, Standing, standing_at
from tests.acceptance.operators import Terminal, a_pod_is_down
from tests.support.engine import claim, push
from tests.support.pause import Point, start_pausing
from tests.support.processes import PODCTL, Processes

ALL_DEAD = ("--state", "dead")


@pytest.fixture
def standing(cli_stack: Path) -> Iterator[Standing]:
    with standing_at(cli_stack) as standing:
        yield standing


# Named jobs


def test_named_jobs_are_changed_where_they_are(podctl: Podctl, standing: Standing) -> None:
    [here], [there] = standing.dead(1), standing.dead(1, "42")
    header, *rows = podctl.table("jobs", "retry", here, there)
    assert header.split() == ["JOB", "POD", "OUTCOME"]
    assert [row.split() for row in rows] == [[here, "1", "queued"], [there, "2", "queued"]]
    assert (standing.state(here), standing.state(there)) == ("ready", "ready")


@pytest.mark.parametrize(
    ("verb", "state", "outcome", "after"),
    [
        (("retry",), "dead", "queued", "ready"),
        (("retry",), "scheduled", "queued", "ready"),
        (("discard",), "dead", "ended", "ended"),
        (("cancel",), "ready", "ended", "ended"),
        (("cancel",), "scheduled", "ended", "ended"),
        (("cancel",), "parked", "ended", "ended"),
        (("cancel",), "dead", "ended", "ended"),
        (("cancel",), "held", "stopping", "held"),
        (("move-queue", "--to", "low"), "ready", "moved", "ready"),
    ],
)
def test_each_change_does_what_it_says(
    podctl: Podctl, standing: Standing, verb: tuple[str, ...], state: str, outcome: str, after: str
) -> None:
    job_id = standing.everywhere()[state][0]  # type: ignore[index]  # it is a state
    [job] = podctl.json("jobs", *verb, job_id)["jobs"]
    assert job == {"job_id": job_id, "pod_id": 1, "outcome": outcome}
    assert standing.state(job_id) == after
    if verb[0] == "move-queue":
        assert podctl.json("jobs", "get", job_id)["queue"] == "low"


@pytest.mark.parametrize(
    ("verb", "state"),
    [(("retry",), "held"), (("discard",), "ready"), (("move-queue", "--to", "low"), "held")],
)
def test_a_job_that_stands_elsewhere_is_left_alone(
    podctl: Podctl, standing: Standing, verb: tuple[str, ...], state: str
) -> None:
    job_id = standing.everywhere()[state][0]  # type: ignore[index]  # as above
    done = podctl("jobs", *verb, job_id)
    assert done.code == 3
    assert f"left alone: {state}" in done.stdout
    assert "1 of 1 jobs left alone" in done.stderr
    assert standing.state(job_id) == state


def test_of_several_jobs_those_that_are_there_are_changed(podctl: Podctl, standing: Standing) -> None:
    here, gone = standing.dead(2)
    podctl.json("jobs", "discard", gone)
    done = podctl("jobs", "retry", here, gone)
    assert done.code == 6
    assert "not here" in done.stdout
    assert gone in done.stderr
    assert standing.state(here) == "ready"


def test_a_change_takes_whole_ids_and_reads_all_before_it_changes_one(
    podctl: Podctl, standing: Standing
) -> None:
    here, other = standing.dead(2)
    for text in ("nonsense", other[:11]):
        assert text in podctl.refused(2, "jobs", "retry", here, text)
    assert standing.state(here) == "dead"


def test_a_dry_run_of_named_jobs_changes_none(podctl: Podctl, standing: Standing) -> None:
    [job_id] = standing.dead(1)
    assert podctl.json("jobs", "discard", job_id, "--dry-run")["jobs"][0]["outcome"] is None
    assert standing.state(job_id) == "dead"


# All that fit


def test_all_of_a_fingerprint_run_again_on_every_pod(podctl: Podctl, standing: Standing) -> None:
    chosen = [*standing.dead(3), *standing.dead(2, "42")]
    others = standing.everywhere()["dead"]
    document = podctl.json("jobs", "retry", "--fingerprint", FINGERPRINT, "--all-pods", "--yes")
    assert document["action"] == "retry"
    assert [(pod["pod_id"], pod["jobs"], pod["outcomes"], pod["left"]) for pod in document["pods"]] == [
        (1, 3, {"queued": 3}, 0),
        (2, 2, {"queued": 2}, 0),
    ]
    assert {standing.state(job_id) for job_id in chosen} == {"ready"}
    assert {standing.state(job_id) for job_id in others} == {"dead"}


def test_what_is_chosen_is_counted_by_everything_before_anybody_is_asked(
    podctl: Podctl, standing: Standing
) -> None:
    standing.dead(2)
    standing.dead(1, "7", "shop.mail")
    done = podctl("jobs", "discard", *ALL_DEAD, "--pod", "1", "--yes")
    header, row = done.stdout.splitlines()
    assert header.split() == ["POD", "JOBS", "STATES", "CLASSES", "QUEUES", "SHOPS"]
    assert row.split("  ")[-1].strip() == "330 2, 7 1"
    assert "shop.collect 2, shop.mail 1" in row
    assert done.stderr == "pod 1: 3 ended\n"


def test_on_a_terminal_a_no_changes_nothing_and_a_yes_all(podctl: Podctl, standing: Standing) -> None:
    dead = standing.dead(3)
    for answer, code, after in (("n\n", 5, "dead"), ("y\n", 0, "ready")):
        terminal = Terminal(podctl, "jobs", "retry", "--fingerprint", FINGERPRINT, "--pod", "1")
        try:
            terminal.wait_for("retry 3 jobs on pod 1? [y/N]")
            terminal.press(answer)
            assert terminal.end() == code, terminal.text
        finally:
            terminal.close()
        assert {standing.state(job_id) for job_id in dead} == {after}
    assert standing.queues[1].store.command("KEYS", "podwork:chosen:*") == [], (
        "a set that nobody wants is forgotten"
    )


def test_without_a_terminal_a_yes_has_to_be_given(podctl: Podctl, standing: Standing) -> None:
    dead = standing.dead(1)
    assert "--yes" in podctl.refused(2, "jobs", "discard", *ALL_DEAD, "--pod", "1")
    assert standing.state(dead[0]) == "dead"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("retry", "--pod", "1"), "which jobs?"),
        (("retry", *ALL_DEAD), "which pod?"),
        (("retry", *ALL_DEAD, "--pod", "1", "--all-pods"), "exclude each other"),
        (("retry", *ALL_DEAD, "01937d1f2ab4f06c1d9e2-330"), "exclude one another"),
        (("retry", "--selection", "0123"), "--pod"),
        (("retry", "--state", "held", "--pod", "1"), "dead"),
        (("discard", "--state", "ready", "--pod", "1"), "dead"),
        (("move-queue", "--queue", "low", "--pod", "1"), "--to"),
        (("move-queue", "--to", "not a queue", *ALL_DEAD, "--pod", "1"), "not a queue"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    podctl: Podctl, standing: Standing, arguments: tuple[str, ...], says: str
) -> None:
    assert says in podctl.refused(2, "jobs", *arguments)


def test_with_a_shop_its_own_pod_is_meant(podctl: Podctl, standing: Standing) -> None:
    dead = standing.dead(1, "42")
    document = podctl.json("jobs", "retry", "--shop", "42", "--yes")
    assert [pod["pod_id"] for pod in document["pods"]] == [2]
    assert standing.state(dead[0]) == "ready"


def test_cancelling_means_all_but_the_dead_unless_they_are_named(podctl: Podctl, standing: Standing) -> None:
    there = standing.everywhere()
    [pod] = podctl.json("jobs", "cancel", "--shop", "7", "--yes")["pods"]
    assert pod["outcomes"] == {"ended": 7, "stopping": 2}
    assert {standing.state(job_id) for job_id in there["dead"]} == {"dead"}
    podctl.json("jobs", "cancel", "--shop", "7", *ALL_DEAD, "--yes")
    assert [standing.state(job_id) for job_id in there["dead"]] == ["dead", "ended", "ended"]


def test_jobs_move_to_another_queue_and_what_runs_stays(podctl: Podctl, standing: Standing) -> None:
    standing.everywhere()
    document = podctl.json("jobs", "move-queue", "--to", "low", "--queue", "default", "--pod", "1", "--yes")
    assert document["pods"][0]["outcomes"] == {"moved": 11}
    left = podctl.json("jobs", "list", "--queue", "default", "--pod", "1")["jobs"]
    assert {job["state"] for job in left} == {"held", "dead"}


def test_nothing_that_fits_is_nothing_to_do(podctl: Podctl, standing: Standing) -> None:
    done = podctl("jobs", "retry", *ALL_DEAD, "--all-pods", "--yes")
    assert (done.code, done.stdout, done.stderr) == (0, "", "no job fits\n")


def test_a_dry_run_freezes_a_set_that_can_be_changed_later(podctl: Podctl, standing: Standing) -> None:
    """The jobs that come in between are not touched."""
    frozen = standing.dead(2)
    done = podctl("jobs", "retry", *ALL_DEAD, "--pod", "1", "--dry-run")
    command = done.stderr.partition("podctl ")[2].split()
    assert {standing.state(job_id) for job_id in frozen} == {"dead"}
    later = standing.dead(1)
    done = podctl(*command, "--yes")
    assert (done.code, done.stderr) == (0, "pod 1: 2 queued\n")
    assert {standing.state(job_id) for job_id in frozen} == {"ready"}
    assert standing.state(later[0]) == "dead"
    assert podctl(*command).stderr == "pod 1: 2 queued\n", "done already: nobody is asked"
    assert "retry" in podctl.refused(3, "jobs", "discard", *command[2:], "--yes")
    assert "choose the jobs anew" in podctl.refused(
        6, "jobs", "retry", "--selection", "0123", "--pod", "1", "--yes"
    )


def test_jobs_that_moved_on_meanwhile_are_left_alone_and_counted(podctl: Podctl, standing: Standing) -> None:
    dead = standing.dead(3)
    command = (
        podctl("jobs", "retry", *ALL_DEAD, "--pod", "1", "--dry-run").stderr.partition("podctl ")[2].split()
    )
    podctl.json("jobs", "retry", dead[0])
    podctl.json("jobs", "discard", dead[1])
    assert podctl(*command, "--yes").stderr == "pod 1: 1 queued; left alone: 1 gone before, 1 ready\n"


def test_killed_in_the_middle_it_says_how_it_goes_on_and_each_job_is_changed_once(
    podctl: Podctl, standing: Standing, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = standing.dead(2 * PORTION + 1)
    for name, value in podctl.environment.items():
        monkeypatch.setenv(name, value)
    environment = [f"{name}={value}" for name, value in podctl.environment.items()]
    code = f"import os, sys, runpy; os.environ.update(x.split('=', 1) for x in {environment!r}); "
    code += f"sys.argv = {['podctl', 'jobs', 'retry', *ALL_DEAD, '--pod', '1', '--yes']!r}; "
    code += f"runpy.run_module({PODCTL[1]!r}, run_name='__main__', alter_sys=True)"
    podctl_run = start_pausing(processes, [Point("selection.portion")], "-c", code)
    stop = podctl_run.wait_at("selection.portion")
    podctl_run.process.signal(signal.SIGINT)
    stop.go_on()
    done = podctl_run.process.wait()
    assert done.code == 130, done
    for lease in claim(standing.queues[1], 10_000, names=("burial",)):
        standing.queues[1].bury("host:1:aaaa", lease, "failed again")
    line = next(line for line in done.stderr.splitlines() if "go on: podctl" in line)
    document = json.loads(podctl(*line.partition("podctl ")[2].split(), "--yes", "-o", "json").stdout)
    assert document["pods"][0]["outcomes"] == {"queued": len(dead)}
    assert standing.inspections[1].totals()["revived"] == len(dead)


def test_many_jobs_show_how_far_it_is(podctl: Podctl, standing: Standing) -> None:
    standing.dead(2 * PORTION + 1)
    done = podctl("jobs", "discard", *ALL_DEAD, "--pod", "1", "--yes")
    assert done.code == 0
    assert done.stderr.splitlines()[0].startswith("discard, pod 1: 1,001 jobs, ")
    assert done.stderr.splitlines()[-1] == "pod 1: 1,001 ended"


def test_if_a_pod_is_down_nothing_is_changed_anywhere(
    podctl: Podctl, standing: Standing, cli_stack: Path
) -> None:
    dead = standing.dead(1)
    with a_pod_is_down(cli_stack):
        assert podctl("jobs", "retry", *ALL_DEAD, "--all-pods", "--yes").code == 7
    assert standing.state(dead[0]) == "dead"
    assert standing.queues[1].store.command("KEYS", "podwork:chosen:*") == []


def test_ready_jobs_pushed_meanwhile_are_not_cancelled(podctl: Podctl, standing: Standing) -> None:
    push(standing.queues[1], ("7", 3))
    command = podctl("jobs", "cancel", "--shop", "7", "--dry-run").stderr.partition("podctl ")[2].split()
    [later] = push(standing.queues[1], ("7", 1))
    assert podctl(*command, "--yes").stderr == "pod 1: 3 ended\n"
    assert standing.state(later) == "ready"
