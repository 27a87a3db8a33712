"""Which migrations the workers of a pod know, and how a pod stands beside the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwork_migrations.errors import MigrationConflict
from podwork_migrations.ledger.entry import Mark
from podwork_migrations.ledger.states import REASONS, EntryState, check
from podwork_migrations.library import Library
from podwork_migrations.migration import Kind, Migration, Phase
from podwork_migrations.runner.known import Witnesses, said
from podwork_migrations.runner.standing import stand

ONE, TWO, THREE = "20260101000001", "20260101000002", "20260101000003"


def migration(
    version: str = ONE,
    checksum: str = "c" * 64,
    phase: str = "before_deploy",
    pods: tuple[int, ...] | None = None,
) -> Migration:
    return Migration(
        version, "x", Kind.SCHEMA, checksum, Path("x.py"), lambda _: None, phase=Phase(phase), pods=pods
    )


def portrait(*known: str, digest: str = "other", revision: str = "r1") -> dict[str, str]:
    listed = ", ".join(f'"{one}"' for one in known)
    return {"migrations": f"[{listed}]", "migrations_digest": digest, "revision": revision}


NOW = 1_795_000_000.0
KNOWN = f"{ONE}:cccccccc"


def test_it_may_begin_when_every_worker_knows_it() -> None:
    assert Witnesses([portrait(KNOWN), portrait(KNOWN, "x")]).objection(migration(), "d") == ""
    assert Witnesses([portrait(KNOWN), portrait(digest="d")]).objection(migration(), "d") == ""


@pytest.mark.parametrize(
    "ignorant",
    [
        {},
        {"migrations": "no list"},
        portrait(),
        portrait(f"{ONE}:dddddddd"),
        portrait(f"{TWO}:cccccccc"),
        portrait(f"{ONE}:ccccccccc"),
    ],
)
def test_it_waits_for_a_worker_that_does_not_know_this_text_of_it(ignorant: dict[str, str]) -> None:
    said = Witnesses([portrait(KNOWN), ignorant]).objection(migration(), "d")
    assert said == "1 of 2 workers run code that does not know it"


def test_where_nobody_is_seen_nobody_has_agreed() -> None:
    assert "no worker of the pod is seen" in Witnesses([]).objection(migration(), "d")


def test_after_the_deployment_means_one_revision_everywhere() -> None:
    mixed = Witnesses([portrait(KNOWN, revision="r1"), portrait(KNOWN, revision="r2")])
    after = migration(phase="after_deploy")
    assert mixed.objection(migration(), "d") == ""
    assert mixed.objection(after, "d") == "it comes after the deployment, and workers run r1, r2"
    assert Witnesses([portrait(KNOWN), portrait(KNOWN)]).objection(after, "d") == ""


def test_what_a_worker_says_is_understood(tmp_path: Path) -> None:
    source = "from podwork_migrations import schema\n@schema\ndef up(op): pass\n"
    for number in range(250):
        version = 20260101000000 + number // 60 * 100 + number % 60
        (tmp_path / f"{version}_x.py").write_text(source)
    library = Library.load(tmp_path)
    fields = {**said(tmp_path), "revision": "r1"}
    assert len(fields["migrations"]) < 6000, "a heartbeat's neighbour stays small"
    for one in library:
        assert Witnesses([fields]).objection(one, library.digest) == ""
    # Whoever has other files as well is asked by the list, which has the latest.
    assert Witnesses([fields]).objection(library.migrations[-200], "d") == ""
    assert Witnesses([fields]).objection(library.migrations[0], "d") != ""
    assert Witnesses([fields]).has(library.migrations[-1].digest)
    assert not Witnesses([fields]).has(f"{ONE}:00000000")


# How a pod stands


def mark(version: str, state: EntryState, checksum: str = "c" * 64, reported: str | None = None) -> Mark:
    return Mark(version, checksum, state, str(state) if reported is None else reported)


def marks(*found: Mark) -> dict[str, Mark]:
    return {one.version: one for one in found}


LIBRARY = Library([migration(ONE), migration(TWO, pods=(2,)), migration(THREE)])


def test_pending_is_what_has_no_entry_and_is_for_this_pod() -> None:
    assert [one.version for one in stand(LIBRARY, 1, {}, NOW).pending] == [ONE, THREE]
    assert [one.version for one in stand(LIBRARY, 2, {}, NOW).pending] == [ONE, TWO, THREE]
    done = stand(LIBRARY, 1, marks(mark(THREE, EntryState.APPLIED)), NOW)
    assert [one.version for one in done.pending] == [ONE]
    assert not done.is_quiet


@pytest.mark.parametrize("state", EntryState)
def test_every_state_has_its_meaning_for_the_pod(state: EntryState) -> None:
    standing = stand(LIBRARY, 1, marks(mark(ONE, state), mark(THREE, EntryState.APPLIED)), NOW)
    assert standing.pending == ()
    assert standing.open == (ONE if state in (EntryState.RUNNING, EntryState.REVERTING) else None)
    assert standing.failed == ((ONE,) if state is EntryState.FAILED else ())
    assert standing.is_quiet == (standing.open is None)


def test_a_failed_one_lets_nothing_begin() -> None:
    standing = stand(LIBRARY, 1, marks(mark(ONE, EntryState.FAILED)), NOW)
    assert standing.pending
    assert standing.is_quiet


def test_what_the_plan_has_not_heard_is_to_be_told() -> None:
    standing = stand(LIBRARY, 1, marks(mark(ONE, EntryState.FAILED, reported="running")), NOW)
    assert standing.unreported == (ONE,)
    assert not standing.is_quiet


def test_edited_files_and_strangers_are_noticed() -> None:
    done = EntryState.APPLIED
    found = marks(mark(ONE, done, "d" * 64), mark(THREE, done), mark("2" * 14, done))
    standing = stand(LIBRARY, 1, found, NOW)
    assert (standing.edited, standing.strangers) == ((ONE,), ("2" * 14,))
    assert standing.is_quiet
    assert standing.pending == ()


# States


@pytest.mark.parametrize("old", EntryState)
@pytest.mark.parametrize("new", EntryState)
def test_there_are_the_ways_of_the_table_and_no_others(old: EntryState, new: EntryState) -> None:
    if new in REASONS[old]:
        check(1, ONE, old, new)
        return
    with pytest.raises(MigrationConflict, match=f"it is {old} and cannot become {new}"):
        check(1, ONE, old, new)


def test_open_ones_end_and_ended_ones_are_no_dead_ends() -> None:
    assert {state for state in EntryState if state.is_open} == {EntryState.RUNNING, EntryState.REVERTING}
    assert all(any(not to.is_open for to in REASONS[state]) for state in EntryState if state.is_open)
    assert all(REASONS[state] for state in EntryState)
