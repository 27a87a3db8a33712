"""A pod's settings: what is accepted, stored and shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork.errors import ConfigurationError
from podwork_pods.masking import address_of, mask_url, sweep
from podwork_pods.pod import Pod, PodState

SHARD = "mysql+pymysql://app:s3cret@db1:3306/shard"
REDIS = "redis://:t0psecret@cache1:6379/0"


def a_pod(**fields: Any) -> Pod:
    return Pod(**{"id": 1, "shard_url": SHARD, "redis_url": REDIS, **fields})


def test_a_pod_is_active_by_default() -> None:
    pod = a_pod()
    assert (pod.state, pod.weight, pod.labels, pod.version) == (PodState.ACTIVE, 100, {}, 0)
    assert a_pod(state="frozen").state is PodState.FROZEN


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": 0},
        {"id": -1},
        {"id": True},
        {"id": "1"},
        {"shard_url": ""},
        {"shard_url": "nonsense"},
        {"shard_url": "postgresql://h/db"},
        {"shard_url": "mysql+pymysql://h"},
        {"shard_url": "sqlite://"},
        {"shard_url": "sqlite:///:memory:"},
        {"redis_url": ""},
        {"redis_url": "cache1:6379"},
        {"redis_url": "http://cache1"},
        {"state": "sleeping"},
        {"weight": -1},
        {"weight": 1.5},
        {"weight": True},
        {"labels": {"Zone": "a"}},
        {"labels": {"zone": 1}},
        {"labels": {"zone\n": "a"}},
        {"labels": {"zone": "a" * 20_000}},
        {"labels": {f"zone{number}": "ü" * 200 for number in range(50)}},
        {"id": 2**31},
        {"shard_url": "mysql+pymysql://h:port/d"},
        {"shard_url": "mysql://h/d"},
        {"redis_url": "redis://h:port/0"},
        {"redis_url": "redis://:a/b@h:1/0"},
        {"redis_url": "redis://[::1/0"},
    ],
)
def test_a_field_that_cannot_be_used_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="pod"):
        a_pod(**wrong)


def test_a_representation_shows_no_password() -> None:
    for shown in (repr(a_pod()), str(a_pod()), str(a_pod().masked())):
        assert "s3cret" not in shown
        assert "t0psecret" not in shown
        assert "db1:3306/shard" in shown


def test_an_error_about_a_url_shows_no_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        a_pod(shard_url="postgresql://app:s3cret@h/db")
    assert "s3cret" not in str(raised.value)
    for redis_url in ("rdis://:s3cret@h/0", "redis://:s3cret/x@h:1/0", "redis://:s3cret@h:port/0"):
        with pytest.raises(ConfigurationError) as raised:
            a_pod(redis_url=redis_url)
        assert "s3cret" not in str(raised.value)
    for shard_url in ("mysql+pymysql://app:s3cret@h:port/d", "mysql+pymysql://app:x/s3cret@h:port/d"):
        with pytest.raises(ConfigurationError) as raised:
            a_pod(shard_url=shard_url)
        assert "s3cret" not in str(raised.value)


@given(
    state=st.sampled_from(PodState),
    weight=st.integers(0, 1_000_000),
    labels=st.dictionaries(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), st.text(max_size=9), max_size=3),
)
def test_what_is_stored_is_read_again(state: PodState, weight: int, labels: dict[str, str]) -> None:
    pod = a_pod(state=state, weight=weight, labels=labels)
    read = Pod.from_record(pod.to_record(), 9)
    assert read == pod
    assert read.version == 9


def test_fields_of_a_later_revision_are_ignored_and_damage_is_named() -> None:
    record = a_pod().to_record().replace(b"{", b'{"colour":"red",', 1)
    assert Pod.from_record(record, 1) == a_pod()
    for damaged in (b"", b"[]", b"{}", b'{"id":1}'):
        with pytest.raises(ConfigurationError):
            Pod.from_record(damaged, 1)


@pytest.mark.parametrize(
    ("url", "masked", "address"),
    [
        (SHARD, "mysql+pymysql://app:***@db1:3306/shard", "mysql+pymysql://db1:3306/shard"),
        (REDIS, "redis://:***@cache1:6379/0", "redis://cache1:6379/0"),
        ("redis://h/0?password=x", "redis://h/0?password=***", "redis://h/0"),
        ("mysql://u:p@ss@h/d", "mysql://u:***@h/d", "mysql://h/d"),
        ("mysql://u:p/w@h/d", "mysql://u:***@h/d", "mysql://h/d"),
        ("mysql://u:p?w#@h/d", "mysql://u:***@h/d", "mysql://h/d"),
        ("mysql://u:p%2Fw@[::1]:3306/d", "mysql://u:***@[::1]:3306/d", "mysql://[::1]:3306/d"),
        ("mysql://u@[::1]:3306/d", "mysql://u@[::1]:3306/d", "mysql://[::1]:3306/d"),
        (
            "mysql://u:p@/d?unix_socket=/s",
            "mysql://u:***@/d?unix_socket=/s",
            "mysql://u:***@/d?unix_socket=/s",
        ),
        ("unix://:p@/run/r.sock?db=1", "unix://:***@/run/r.sock?db=1", "unix://:***@/run/r.sock?db=1"),
        ("redis://h:6379/0?password=a@b", "redis://h:6379/0?password=***", "redis://h:6379/0"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db", "sqlite:////var/x.db"),
        ("nonsense", "nonsense", "nonsense"),
    ],
)
def test_urls_are_masked(url: str, masked: str, address: str) -> None:
    assert mask_url(url) == masked
    assert address_of(url) == address


def test_a_text_is_swept_of_every_form_of_a_password() -> None:
    url = "mysql://u:a%40b%20c@h/d"
    assert sweep("said a@b c, a%40b%20c and a%40b+c", url) == "said ***, *** and ***"
    assert sweep("nothing", "sqlite:///x") == "nothing"
    assert sweep("said p/w", "mysql://u:p/w@h/d") == "said ***"
