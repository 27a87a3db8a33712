"""The metrics of a worker: observations of several children become one set of bounded series."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from podwork.observation import OUTCOMES, Observation, PodGauges, ScheduleGauges, Tally
from podwork_ops.metrics import WorkerMetrics, table
from podwork_ops.metrics.worker import SILENT_AFTER_SECONDS

FIRST_CHILD, SECOND_CHILD = 101, 102


POD = PodGauges(
    queue_jobs={"default|ready": 7, "default|held": 2, "low|ready": 0, "low|held": 0},
    queue_latency_seconds={"default": 1.5, "low": 0.0},
    jobs={"scheduled": 3, "parked": 1, "dead": 4},
    schedules={"nightly": ScheduleGauges(1000.0, 300.0, True), "free": ScheduleGauges(0.0, 0.0, False)},
)


class Watch:
    """Monotonic time, turned by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def metrics(watch: Watch) -> WorkerMetrics:
    return WorkerMetrics(7, "abc123", monotonic=watch)


def samples(metrics: WorkerMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_plain(generate_latest(metrics.registry).decode())
        for sample in family.samples
    }


def value(metrics: WorkerMetrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((f"podwork_{name}", frozenset({"pod_id": "7", **labels}.items())))


def ran(job_class: str = "shop.collect", outcome: str = "succeeded", queue: str = "default") -> Observation:
    tally = Tally()
    tally.attempt(queue, job_class, outcome, duration_seconds=0.3, wait_seconds=2.0)
    return tally.take(busy=1, idle=4, directory_epoch=12)


def everything() -> Observation:
    tally = Tally()
    for outcome in OUTCOMES:
        tally.attempt("default", "shop.collect", outcome, duration_seconds=0.3, wait_seconds=2.0)
    tally.enqueued("default", "shop.collect", 3)
    tally.reclaimed(2)
    tally.stale_epoch()
    tally.surveyed(POD)
    return tally.take(busy=1, idle=4, directory_epoch=12)


def test_attempts_of_all_children_add_up(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, ran())
    metrics.observe(SECOND_CHILD, ran())
    metrics.observe(SECOND_CHILD, ran(outcome="dead"))

    labels = {"queue": "default", "job_class": "shop.collect"}
    assert value(metrics, "job_attempts_total", **labels, outcome="succeeded") == 2
    assert value(metrics, "job_attempts_total", **labels, outcome="dead") == 1


def test_jobs_that_jobs_push_are_counted(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, everything())
    metrics.observe(SECOND_CHILD, everything())
    assert value(metrics, "jobs_enqueued_total", queue="default", job_class="shop.collect") == 6


@pytest.mark.parametrize(("lacks_jobs", "shown"), [(True, 1), (False, 0)])
def test_a_redis_that_lost_jobs_can_be_alerted_on(
    metrics: WorkerMetrics, lacks_jobs: bool, shown: int
) -> None:
    tally = Tally()
    tally.compared(lacks_jobs=lacks_jobs)
    metrics.observe(SECOND_CHILD, tally.take())
    assert value(metrics, "redis_lacks_jobs") is None  # it does not lead
    tally.surveyed(POD)
    metrics.observe(FIRST_CHILD, tally.take())
    assert value(metrics, "redis_lacks_jobs") == shown


def test_buckets_are_cumulative_and_hold_what_they_name(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, ran())
    metrics.observe(SECOND_CHILD, ran())

    def bucket(bound: str) -> float | None:
        return value(metrics, "job_duration_seconds_bucket", job_class="shop.collect", le=bound)

    assert [bucket(bound) for bound in ("0.05", "0.25", "1.0", "1800.0", "+Inf")] == [0, 0, 2, 2, 2]
    assert value(metrics, "job_duration_seconds_count", job_class="shop.collect") == 2
    assert value(metrics, "job_duration_seconds_sum", job_class="shop.collect") == pytest.approx(0.6)
    assert value(metrics, "queue_wait_seconds_sum", queue="default") == pytest.approx(4.0)


def test_an_observation_above_the_last_bound_is_counted(metrics: WorkerMetrics) -> None:
    tally = Tally()
    tally.attempt("low", "shop.slow", "succeeded", duration_seconds=7200, wait_seconds=7200)
    metrics.observe(FIRST_CHILD, tally.take())
    assert value(metrics, "job_duration_seconds_bucket", job_class="shop.slow", le="1800.0") == 0
    assert value(metrics, "job_duration_seconds_bucket", job_class="shop.slow", le="+Inf") == 1


def test_counters_outlive_the_children_that_counted(metrics: WorkerMetrics, watch: Watch) -> None:
    metrics.observe(FIRST_CHILD, everything())
    watch.seconds += SILENT_AFTER_SECONDS + 1
    assert value(metrics, "jobs_reclaimed_total") == 2
    assert value(metrics, "router_stale_epoch_total") == 1
    assert value(metrics, "queue_wait_seconds_count", queue="default") == len(OUTCOMES)


def test_a_silent_child_leaves_the_gauges(metrics: WorkerMetrics, watch: Watch) -> None:
    metrics.observe(FIRST_CHILD, ran())
    watch.seconds += SILENT_AFTER_SECONDS - 1
    metrics.observe(SECOND_CHILD, ran())
    assert value(metrics, "worker_slots", state="busy") == 2
    assert value(metrics, "worker_slots", state="idle") == 8
    assert value(metrics, "worker_children") == 2

    watch.seconds += 2
    assert value(metrics, "worker_slots", state="busy") == 1
    assert value(metrics, "worker_children") == 1


def test_replacements_of_children_are_counted(metrics: WorkerMetrics, watch: Watch) -> None:
    for pid in (FIRST_CHILD, SECOND_CHILD, FIRST_CHILD):
        metrics.observe(pid, ran())
    assert value(metrics, "worker_children_started_total") == 2
    watch.seconds += SILENT_AFTER_SECONDS + 1
    metrics.observe(103, ran())
    assert value(metrics, "worker_children_started_total") == 3


def test_the_child_furthest_behind_speaks_for_the_directory(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, Observation(directory_epoch=12))
    metrics.observe(SECOND_CHILD, Observation(directory_epoch=9))
    assert value(metrics, "router_directory_epoch") == 9


def test_one_lost_session_is_a_lost_connection(metrics: WorkerMetrics) -> None:
    assert value(metrics, "coordination_connected") == 0, "nobody has reported yet"
    metrics.observe(FIRST_CHILD, Observation(connected=True))
    assert value(metrics, "coordination_connected") == 1
    metrics.observe(SECOND_CHILD, Observation(connected=False))
    assert value(metrics, "coordination_connected") == 0


def test_memory_is_summed_over_the_children(metrics: WorkerMetrics) -> None:
    metrics.observe(os.getpid(), ran())
    metrics.observe(2**22 + 1, ran())  # above the largest pid of Linux: it has gone
    found = value(metrics, "worker_children_resident_memory_bytes")
    assert found is not None
    assert 1e6 < found < 4e9


def test_job_classes_and_queues_beyond_the_bound_share_one_series(metrics: WorkerMetrics) -> None:
    excess = 5
    for number in range(table.MAX_JOB_CLASSES + excess):
        metrics.observe(FIRST_CHILD, ran(job_class=f"shop.job{number}"))
    for number in range(table.MAX_QUEUES + excess):
        metrics.observe(FIRST_CHILD, ran(job_class="shop.job0", queue=f"queue{number}"))

    found = samples(metrics)
    classes = {dict(labels)["job_class"] for name, labels in found if name == "podwork_job_attempts_total"}
    queues = {dict(labels)["queue"] for name, labels in found if name == "podwork_queue_wait_seconds_count"}
    assert len(classes) == table.MAX_JOB_CLASSES + 1
    assert len(queues) == table.MAX_QUEUES + 1
    other = value(metrics, "job_attempts_total", queue="default", job_class="_other", outcome="succeeded")
    assert other == excess
    assert value(metrics, "queue_wait_seconds_count", queue="_other") == excess + 1  # `default` was the first


def test_the_number_of_series_stays_bounded(metrics: WorkerMetrics) -> None:
    for number in range(3 * table.MAX_JOB_CLASSES):
        for outcome in OUTCOMES:
            metrics.observe(FIRST_CHILD, ran(f"shop.job{number}", outcome, f"queue{number % 20}"))
    assert len(samples(metrics)) <= 5000


def families(metrics: WorkerMetrics, parse: Any, generate: Any) -> Iterator[Any]:
    text = generate(metrics.registry).decode()
    return (family for family in parse(text) if family.name.startswith("podwork_"))


@pytest.mark.parametrize(
    ("parse", "generate"), [(parse_plain, generate_latest), (parse_openmetrics, generate_openmetrics)]
)
def test_exactly_the_table_is_exposed_with_its_types_labels_and_help(
    metrics: WorkerMetrics, parse: Any, generate: Any
) -> None:
    metrics.observe(FIRST_CHILD, everything())
    found = {family.name: family for family in families(metrics, parse, generate)}
    expected = {row.full_name.removesuffix("_total"): row for row in table.WORKER_METRICS}
    assert set(found) == set(expected)
    for name, row in expected.items():
        assert found[name].type == row.kind.value
        assert found[name].documentation == row.help
        labels = {label for sample in found[name].samples for label in sample.labels} - {"le"}
        assert labels == set(row.all_labels)


def test_the_supervisor_describes_itself(metrics: WorkerMetrics) -> None:
    names = {name for name, _ in samples(metrics)}
    assert "process_resident_memory_bytes" in names or not Path("/proc/self").exists()


def test_no_label_grows_with_shops_jobs_or_machines() -> None:
    forbidden = {"shop_id", "job_id", "host", "pod", "job", "instance", "error"}
    assert [row.name for row in table.WORKER_METRICS if forbidden & set(row.all_labels)] == []


def test_names_follow_prometheus() -> None:
    for row in table.WORKER_METRICS:
        assert row.name.endswith("_total") == (row.kind is table.Kind.COUNTER)
        assert row.help.endswith(".")


def test_every_outcome_of_the_engine_has_a_meaning() -> None:
    assert set(table.OUTCOMES) == set(OUTCOMES)


# The pod as a whole, which its leader alone describes


def leading(pod: PodGauges | None = POD) -> Observation:
    return Observation(pod=pod)


def test_the_leader_describes_the_pod(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, ran())
    metrics.observe(SECOND_CHILD, leading())
    assert value(metrics, "queue_jobs", queue="default", state="ready") == 7
    assert value(metrics, "queue_jobs", queue="default", state="held") == 2
    assert value(metrics, "queue_latency_seconds", queue="default") == 1.5
    assert value(metrics, "pod_jobs", state="dead") == 4
    assert value(metrics, "schedule_last_success_timestamp_seconds", schedule="nightly") == 1000.0
    assert value(metrics, "schedule_sla_seconds", schedule="nightly") == 300.0
    assert value(metrics, "schedule_breached", schedule="nightly") == 1
    assert value(metrics, "schedule_breached", schedule="free") is None, "nothing was promised"


def of_the_pod(metrics: WorkerMetrics) -> set[str]:
    prefixes = ("podwork_queue_jobs", "podwork_queue_latency", "podwork_pod_jobs", "podwork_schedule")
    return {name for name, _ in samples(metrics) if name.startswith(prefixes)}


def test_the_series_of_a_child_that_leads_no_more_vanish(metrics: WorkerMetrics) -> None:
    metrics.observe(FIRST_CHILD, leading())
    assert of_the_pod(metrics)
    metrics.observe(FIRST_CHILD, leading(None))
    assert of_the_pod(metrics) == set()


def test_the_series_of_a_leader_that_died_vanish(metrics: WorkerMetrics, watch: Watch) -> None:
    metrics.observe(FIRST_CHILD, leading())
    watch.seconds += SILENT_AFTER_SECONDS + 1
    assert of_the_pod(metrics) == set()


def test_while_two_believe_to_lead_the_one_heard_last_speaks(metrics: WorkerMetrics, watch: Watch) -> None:
    metrics.observe(FIRST_CHILD, leading())
    watch.seconds += 1
    metrics.observe(SECOND_CHILD, leading(PodGauges(jobs={"dead": 5})))
    assert value(metrics, "pod_jobs", state="dead") == 5
    assert value(metrics, "schedule_breached", schedule="nightly") is None


def test_queues_and_schedules_of_a_pod_are_bounded(metrics: WorkerMetrics) -> None:
    queues = [f"queue{number:02}" for number in range(table.MAX_QUEUES + 3)]
    names = [f"schedule{number:03}" for number in range(table.MAX_SCHEDULES + 3)]
    metrics.observe(
        FIRST_CHILD,
        leading(
            PodGauges(
                queue_jobs={f"{queue}|ready": 10 for queue in queues},
                queue_latency_seconds={queue: float(place) for place, queue in enumerate(queues)},
                schedules={name: ScheduleGauges(1.0, 2.0, False) for name in names},
            )
        ),
    )
    assert value(metrics, "queue_jobs", queue="_other", state="ready") == 30
    assert value(metrics, "queue_latency_seconds", queue="_other") == table.MAX_QUEUES + 2
    found = [name for name, _ in samples(metrics) if name == "podwork_schedule_breached"]
    assert len(found) == table.MAX_SCHEDULES
    assert value(metrics, "schedule_breached", schedule=names[-1]) is None
