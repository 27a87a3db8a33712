"""The read side: single jobs, ages, groups, processes; and that looking changes nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from podwork import keys, record
from podwork.identity import InvalidJobId, new_job_id
from podwork.inspection import STATES, Filter, Inspection
from podwork.interventions import Interventions
from podwork.queues import PushGroup, Queues
from podwork.store import Store
from tests.support.engine import NOW_MS, A, B, claim, counts, push
from tests.support.standing import ids, listed, stand_everywhere


class FixedClock:
    """A clock that a test sets."""

    seconds = NOW_MS / 1000 + 100

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def queues(store_url: str) -> Queues:
    queues = Queues(Store(store_url), lease_seconds=30)
    queues.register(A, {"pid": 1, "queues": "default"})
    queues.register(B, {"pid": 2, "queues": "default"})
    return queues


@pytest.fixture
def inspection(queues: Queues) -> Inspection:
    return Inspection(queues.store, clock=FixedClock())


def test_a_job_shows_what_hangs_on_it(queues: Queues, inspection: Inspection) -> None:
    extras = record.write_extras(
        {"x": "1800000000000", "s": "nightly", "z": "3", "f": "1700000000000", "e": "0123abcd"}
    )
    [job_id] = push(queues, ("7", 1), extras=extras)
    job = inspection.job(job_id)
    assert job is not None
    assert (job.expires_at, job.schedule, job.snoozes, job.failed_first_at, job.fingerprint) == (
        1_800_000_000, "nightly", 3, 1_700_000_000, "0123abcd",
    )  # fmt: skip
    assert (job.version, job.room, job.is_cancelled, job.is_unique) == (1, "", False, False)
    [lease] = claim(queues)
    held = inspection.job(job_id)
    assert held is not None
    assert held.holder == A
    assert held.claimed_at is not None
    queues.bury(A, lease, "error")
    dead = inspection.job(job_id)
    assert dead is not None
    assert dead.buried_at is not None
    assert dead.buried_at >= held.claimed_at


def test_a_poison_pill_has_a_fingerprint_of_its_own(queues: Queues, inspection: Inspection) -> None:
    push(queues, ("7", 2), extras="e:0123abcd")
    for lease in claim(queues):
        for _ in range(3):
            queues.crash(A, lease, "was killed by SIGSEGV")
            claim(queues)
    [group] = inspection.dead_groups().groups
    assert (group.jobs, group.error.split(":")[0]) == (2, "poison pill")
    assert group.fingerprint not in ("", "0123abcd")
    assert len(listed(inspection, Filter(fingerprint=group.fingerprint))) == 2


def test_several_jobs_are_looked_at_at_one_instant(queues: Queues, inspection: Inspection) -> None:
    here, gone = push(queues, ("7", 1)), new_job_id(1, "8")
    states = inspection.jobs_of([gone, *here])
    assert [state and state.state for state in states] == [None, "ready"]
    assert inspection.jobs_of([]) == []
    with pytest.raises(InvalidJobId):
        inspection.job("nonsense")


def test_a_job_is_found_by_the_beginning_of_its_id(queues: Queues, inspection: Inspection) -> None:
    standing = stand_everywhere(queues)
    for jobs in standing.values():
        assert ids(inspection.find(jobs[0][:21])) == [jobs[0]]
    assert len(inspection.find(standing["ready"][0][:11], limit=4)) == 4
    assert inspection.find("ffff") == []


def test_a_broken_record_hides_no_other(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 3))
    queues.store.command("HSET", keys.jobs("7"), pushed[1], b"\xff nonsense")
    queues.store.command("HSET", keys.jobs("7"), pushed[2], b"- default 1 0 0 0 0 {]")
    jobs = listed(inspection, Filter())
    assert [job.job_class for job in jobs] == ["shop.collect", "", ""]
    assert "cannot be read" in jobs[1].error
    assert listed(inspection, Filter(fingerprint="0123abcd")) == []


# Ages and groups


def test_latency_counts_from_when_the_oldest_was_due_and_age_from_its_push(
    queues: Queues, inspection: Inspection
) -> None:
    now_ms = NOW_MS + 100_000
    for shop, due_ms in [("7", now_ms - 5000), ("8", now_ms - 9000)]:
        stored = record.encode_first("default", due_ms, record.payload_prefix("shop.a", 0), b"{}")
        queues.push([PushGroup("default", shop, 0, [(new_job_id(now_ms - 60_000, shop), stored)])])
    queue = inspection.queue("default")
    assert queue.latency_seconds == pytest.approx(9)
    assert queue.oldest_seconds == pytest.approx(60)
    assert not queue.is_partial
    [group] = inspection.classes().groups
    assert (group.name, group.ready) == ("shop.a", 2)
    assert group.latency_seconds == pytest.approx(9)
    assert group.oldest_seconds == pytest.approx(60)
    by_shop = {group.name: group.latency_seconds for group in inspection.shops().groups}
    assert by_shop == {"7": pytest.approx(5), "8": pytest.approx(9)}


def test_of_a_long_ring_both_ends_are_looked_at_and_it_says_so(
    queues: Queues, inspection: Inspection
) -> None:
    now_ms = NOW_MS + 100_000
    for position in range(10):
        old_ms = 50_000 if position in (0, 5) else 20_000 if position == 9 else 1000
        stored = record.encode_first("default", now_ms - old_ms, record.payload_prefix("a", 0), b"{}")
        shop = str(position)
        queues.push([PushGroup("default", shop, 0, [(new_job_id(now_ms - old_ms, shop), stored)])])
    claim(queues, 1)
    partial = inspection.queue("default", lanes=4)
    assert partial.is_partial
    assert partial.latency_seconds == pytest.approx(20)
    whole = inspection.queue("default", lanes=9)
    assert not whole.is_partial
    assert whole.latency_seconds == pytest.approx(50)


def test_groups_by_class_and_shop_add_up_to_the_counts(queues: Queues, inspection: Inspection) -> None:
    stand_everywhere(queues)
    for groups in (inspection.classes(), inspection.shops()):
        assert not groups.is_partial
        total: Counter[str] = Counter()
        for group in groups.groups:
            total.update({state: getattr(group, state) for state in STATES})
        assert dict(total) == inspection.counts()._asdict()
    [largest, *_] = inspection.shops().groups
    assert (largest.name, largest.held, largest.ready, largest.scheduled, largest.parked, largest.dead) == (
        "7", 2, 3, 2, 2, 2,
    )  # fmt: skip
    dead = next(group for group in inspection.classes().groups if group.name == "shop.dead")
    assert (dead.jobs, dead.oldest_seconds) == (3, 0.0)


def test_a_flooding_shop_hides_no_class_of_the_others(queues: Queues, inspection: Inspection) -> None:
    push(queues, ("1", 500))
    push(queues, ("2", 3), job_class="shop.rare")
    groups = inspection.classes(most=100)
    assert groups.is_partial
    found = {group.name: group.ready for group in groups.groups}
    assert found == {"shop.collect": 50, "shop.rare": 3}
    assert inspection.shops(most=1).is_partial
    assert {group.name: group.ready for group in inspection.shops().groups} == {"1": 500, "2": 3}


def test_the_dead_are_grouped_by_their_error(queues: Queues, inspection: Inspection) -> None:
    stand_everywhere(queues)
    first, second = inspection.dead_groups().groups
    assert (first.fingerprint, first.jobs, first.job_class, first.error) == (
        "0000aaaa", 2, "shop.dead", "ValueError: row 1",
    )  # fmt: skip
    assert first.first <= first.last <= second.first
    assert (second.fingerprint, second.jobs) == ("0000bbbb", 1)
    assert inspection.dead_groups(most=1).is_partial
    [only] = inspection.dead_groups(Filter(shop="8")).groups
    assert (only.fingerprint, only.jobs) == ("0000bbbb", 1)


# Processes


def test_processes_say_what_they_hold_and_since_when(queues: Queues, inspection: Inspection) -> None:
    pushed = push(queues, ("7", 3), job_class="shop.slow")
    claim(queues, 2, A)
    claim(queues, 1, B)
    Interventions(queues.store).cancel([pushed[2]])
    assert [(one.incarnation, one.held) for one in inspection.processes()] == [(A, 2), (B, 1)]
    jobs = inspection.held_jobs()
    assert [(job.id, job.incarnation, job.job_class, job.shop_id) for job in jobs] == [
        (pushed[0], A, "shop.slow", 7),
        (pushed[1], A, "shop.slow", 7),
        (pushed[2], B, "shop.slow", 7),
    ]
    [seconds, _] = queues.store.command("TIME")
    assert all(0 <= int(seconds) + 1 - job.since < 20 for job in jobs)
    assert [job.is_cancelled for job in jobs] == [False, False, True]
    assert [job.id for job in inspection.held_jobs(B)] == [pushed[2]]
    assert inspection.held_jobs("host:9:none") == []


def writes(queues: Queues) -> int:
    return int(queues.store.client.info("persistence")["rdb_changes_since_last_save"])


def test_looking_changes_nothing(queues: Queues, inspection: Inspection) -> None:
    stand_everywhere(queues)
    before = writes(queues)
    listed(inspection, Filter(), 2)
    inspection.classes()
    inspection.shops()
    inspection.dead_groups()
    inspection.held_jobs()
    inspection.queue("default")
    inspection.find("0")
    assert writes(queues) == before
    assert sum(counts(queues)) == 17
