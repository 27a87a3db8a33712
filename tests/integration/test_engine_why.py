"""Why a job does not run: every reason is provoked, in its order, and the claim agrees with what is said."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork import App, keys
from podwork.identity import InvalidJobId
from podwork.limits import Concurrency, Window
from podwork.unique import Unique
from podwork.why import MEANINGS, Code
from tests.support.engine import A, B, claim, ids, job, push, push_call
from tests.support.reasons import HELD, PROVOKED, Pod, fields, of_unknown_class, pod_at


@pytest.fixture
def pod(store_url: str) -> Pod:
    pod = pod_at(store_url)
    pod.queues.register(A, fields())
    return pod


@pytest.mark.parametrize("code", PROVOKED)
def test_the_reason_is_said_in_one_line_with_what_to_do(pod: Pod, code: Code) -> None:
    why = pod.why(PROVOKED[code](pod))
    assert why.code is code
    assert why.sentence
    assert why.remedy
    assert "\n" not in why.sentence + why.remedy
    json.dumps(why.details)


def test_every_code_is_reachable_and_has_a_meaning() -> None:
    assert set(PROVOKED) == set(Code) == set(MEANINGS)


@pytest.mark.parametrize(
    "code",
    [
        Code.HELD_CLASS,
        Code.LIMIT_CONCURRENCY,
        Code.LIMIT_RATE,
        Code.HELD_SHOP,
        Code.GATE_HOLD,
        Code.GATE_MOVED,
    ],
)
def test_the_reason_is_the_same_after_a_claim_has_met_it(pod: Pod, code: Code) -> None:
    job_id = PROVOKED[code](pod)
    before = pod.why(job_id)
    assert claim(pod.queues) == []
    assert pod.why(job_id).code is before.code is code


def test_the_class_of_a_parked_job_stays_unknown_until_a_worker_says_that_it_knows_it(pod: Pod) -> None:
    job_id = of_unknown_class(pod)
    [lease] = claim(pod.queues)
    pod.queues.park(A, lease)
    why = pod.why(job_id)
    assert (why.code, why.details["revisions"]) == (Code.UNKNOWN_CLASS, ["abc"])
    pod.queues.register(B, fields(classes={"shop.newer": 1}))
    assert pod.why(job_id).code is Code.LETTING_IN


def test_a_later_version_of_a_known_class_is_unknown(pod: Pod) -> None:
    app = App("why")

    @app.job(name="shop.collect", version=2, unique=Unique())
    def collect() -> None:
        """Do nothing."""

    job_id = push_call(pod.queues, collect).id
    why = pod.why(job_id)
    assert (why.code, why.details["version"]) == (Code.UNKNOWN_CLASS, 2)
    assert "version 2" in why.sentence
    pod.queues.register(B, fields(classes={"shop.collect": 2}))
    assert pod.why(job_id).code is Code.WORKERS_BUSY


def test_a_worker_that_does_not_say_what_it_knows_may_know_everything(pod: Pod) -> None:
    silent_about_it = fields()
    del silent_about_it["classes"]
    pod.queues.register(B, silent_about_it)
    assert pod.why(of_unknown_class(pod)).code is Code.WORKERS_BUSY


SCOPES_OF_SEVEN: list[dict[str, Any]] = [
    {}, {"queue": "default"}, {"shop": "7"}, {"job_class": "shop.collect"},
]  # fmt: skip


def test_what_would_stop_it_next_is_said_too(pod: Pod) -> None:
    pod.limits.set(Window(1, per_seconds=3600), job_class="shop.collect")
    pod.one()
    claim(pod.queues)
    job_id = pod.one()
    for scope in SCOPES_OF_SEVEN:
        pod.holds.place(**scope, **HELD)
    pod.queues.set_gate(7, "hold", 5, 3)
    pod.queues.register(A, fields(quiet=1))
    why = pod.why(job_id)
    in_order = [
        Code.HELD_POD, Code.HELD_QUEUE, Code.GATE_HOLD, Code.HELD_SHOP, Code.HELD_CLASS, Code.LIMIT_RATE,
        Code.ALL_QUIET,
    ]  # fmt: skip
    assert [why.code, *why.also] == in_order


def test_nonsense_is_no_job(pod: Pod) -> None:
    with pytest.raises(InvalidJobId):
        pod.why("nonsense")


def test_a_record_that_somebody_broke_is_explained_all_the_same(pod: Pod) -> None:
    job_id = pod.one()
    pod.queues.store.command("HSET", keys.jobs("7"), job_id, b"\xff nonsense")
    assert pod.why(job_id).code in Code


# The claim and the answer


SCOPES: list[dict[str, Any]] = [
    {},
    {"queue": "default"},
    {"shop": "1"},
    {"job_class": "a"},
    {"job_class": "a", "shop": "2"},
]
OBSTACLES = st.fixed_dictionaries(
    {
        "holds": st.lists(st.sampled_from(SCOPES), max_size=2),
        "limits": st.lists(st.sampled_from([scope for scope in SCOPES if scope]), max_size=2),
        "rates": st.lists(st.sampled_from([scope for scope in SCOPES if scope]), max_size=1),
        "gates": st.dictionaries(st.sampled_from(["1", "2"]), st.sampled_from(["hold", "moved", "open"])),
        "running": st.integers(0, 2),
    }
)
STOPPED_BY_CLAIM = {
    Code.HELD_POD, Code.HELD_QUEUE, Code.HELD_SHOP, Code.HELD_CLASS, Code.GATE_HOLD, Code.GATE_MOVED,
    Code.LIMIT_CONCURRENCY, Code.LIMIT_RATE,
}  # fmt: skip


def test_a_claim_takes_exactly_what_nothing_is_said_to_stop(valkey_url: str) -> None:
    """In random mixes of holds, limits and gates: the claim takes a job if and only if nothing stops it."""

    @settings(
        max_examples=int(os.environ.get("PODWORK_FUZZ_EXAMPLES", "30")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mix=OBSTACLES)
    def compare(mix: dict[str, Any]) -> None:
        pod = pod_at(valkey_url)
        pod.queues.store.client.flushdb()
        pod.queues.register(A, fields(classes={"a": 1, "b": 1}))
        for scope in mix["limits"]:
            pod.limits.set(Concurrency(1), **scope)
        for scope in mix["rates"]:
            pod.limits.set(Window(1, per_seconds=3600), **scope)
        for _ in range(mix["running"]):
            push(pod.queues, ("1", 1), job_class="a")
        claim(pod.queues)
        for scope in mix["holds"]:
            pod.holds.place(**scope, **HELD)
        for shop, state in mix["gates"].items():
            pod.queues.set_gate(int(shop), state, 1, 3)
        for shop, of in itertools.product(("1", "2"), ("a", "b")):
            job_id = stored_job(pod, shop, of)
            why, taken = pod.why(job_id), ids(claim(pod.queues))
            assert why.code in STOPPED_BY_CLAIM | {Code.WORKERS_BUSY}, why
            assert taken == ([job_id] if why.code is Code.WORKERS_BUSY else []), why

    def stored_job(pod: Pod, shop: str, of: str) -> str:
        """Put a job into its lane, whatever its gate says, as one that was there before the gate closed."""
        (job_id, stored), ask = job(shop, "default", of), pod.queues.store.command
        ask("HSET", keys.jobs(shop), job_id, stored)
        if ask("RPUSH", keys.lane("default", shop), job_id) == 1:
            ask("RPUSH", keys.ring("default"), shop)
        ask("HINCRBY", keys.SIZES, "default", 1)
        return job_id

    compare()
