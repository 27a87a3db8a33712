"""Records and ids: what is written is read back equal, by Python and, in their head, by scripts."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwork import identity, keys, record
from podwork.identity import InvalidJobId
from podwork.lease import Lease

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALARS | FLOATS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ARGS = st.dictionaries(st.text(min_size=1), JSON, max_size=5)


@given(args=ARGS, due=st.integers(0, 2**44), epoch=st.integers(0, 2**31), error=st.text(max_size=300))
def test_a_record_reads_back_as_it_was_written(
    args: dict[str, object], due: int, epoch: int, error: str
) -> None:
    import msgspec

    first = record.encode_first(
        "default", due, record.payload_prefix("shop.collect", epoch), msgspec.json.encode(args)
    )
    head, payload, no_error = record.split(first)
    assert (head.queue, head.due_ms, head.attempts, no_error) == ("default", due, 0, "")
    decoded = record.decode_payload(payload)
    assert (decoded.job_class, decoded.args, decoded.epoch) == ("shop.collect", args, epoch)
    changed, same, kept = record.split(record.encode(head, payload, error))
    assert (changed, same) == (head, payload)
    assert kept.encode() == error.encode(errors="replace")[: record.ERROR_BYTES_LIMIT]


def test_a_long_error_is_cut() -> None:
    head = record.Head("default", 1)
    assert len(record.split(record.encode(head, b"{}", "x" * 10_000))[2]) == record.ERROR_BYTES_LIMIT


def test_a_lease_changes_only_what_it_is_told() -> None:
    stored = b'- low 5 1 2 3 4 {"class":"c","epoch":6,"args":{}}\nold error'
    lease = Lease("me", "7", "id-7", stored)
    assert (lease.attempts, lease.interruptions, lease.reclaims, lease.error) == (1, 2, 3, "old error")
    assert lease.record(attempts=9, error="new") == b'- low 5 9 2 3 4 {"class":"c","epoch":6,"args":{}}\nnew'


def test_ids_sort_by_time_and_carry_their_shop() -> None:
    early, late = identity.new_job_id(1_000, "7"), identity.new_job_id(2_000, "7")
    assert early < late
    assert identity.shop_text(late) == "7"
    assert identity.pushed_at_seconds(late) == 2.0
    assert identity.shop_text(identity.new_job_id(1, keys.POD_LANE)) == "pod"


def test_ids_are_unique_also_after_a_fork() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, identity.new_job_id(1, "7").encode())
        os._exit(0)
    os.waitpid(pid, 0)
    theirs = os.read(reading, 100).decode()
    mine = {identity.new_job_id(1, "7") for _ in range(1000)}
    assert len(mine) == 1000
    assert theirs not in mine


@pytest.mark.parametrize(
    "text", ["", "7", "zzz-7", "0" * 21, "0" * 21 + "-", "0" * 21 + "-x", "0" * 20 + "-7"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidJobId):
        identity.shop_text(text)


def test_extras_are_read_as_they_were_written_and_a_plain_job_is_seen_at_once() -> None:
    extras = {"w": "00ff", "x": "1732274411000"}
    stored = record.encode_first(
        "low", 5, record.payload_prefix("c", 1, 2), b"{}", record.write_extras(extras)
    )
    lease = Lease("me", "7", "id-7", stored)
    assert (lease.extras, lease.version, lease.epoch) == (extras, 2, 1)
    assert Lease("me", "7", "id-7", lease.record(extras={})).extras == {}
    plain = record.encode_first("low", 5, record.payload_prefix("c", 1), b"{}")
    assert plain[:1] == b"-"
    assert Lease("me", "7", "id-7", plain).version == 1


@pytest.mark.parametrize(
    "stored", [b"", b"nonsense", b"- low x 0 0 0 0 {}", b"- low 1 0 0 0 0 {no json", b"\xff" * 40]
)
def test_a_record_that_cannot_be_read_is_a_fault_and_no_crash(stored: bytes) -> None:
    lease = Lease("me", "7", "id-7", stored)
    assert "cannot be read" in lease.fault
    assert record.split(lease.record(error=lease.fault))[2] == lease.fault
