"""Files of migrations: what they declare, how they fit together, and new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwork_migrations.errors import InvalidMigration, UnknownMigration
from podwork_migrations.library import Library, digests, files_digest
from podwork_migrations.migration import Kind, Phase
from podwork_migrations.writing import new_file

ONE, TWO, THREE = "20260101000001", "20260101000002", "20260101000003"
HEAD = "from podwork_migrations import data, schema\n"
PLAIN = f"{HEAD}\n@schema\ndef up(op):\n    pass\n"


def write(folder: Path, version: str, source: str = PLAIN, name: str = "change") -> Path:
    path = folder / f"{version}_{name}.py"
    path.write_text(source)
    return path


def test_a_file_says_everything_about_its_migration(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    path = write(
        tmp_path,
        TWO,
        f'''"""Drop the status.

More about it.
"""
{HEAD}
@schema(requires=["{ONE}"], phase="after_deploy", pods=[1, 3], override={{"drop-column": "nobody reads it"}},
        finalizes=["{ONE}"], postpone_cutover=True, hold_hours=2, renames={{"old": "new"}})
def up(op):
    return "up"

def down(op):
    return "down"
''',
        "drop_status",
    )
    found = Library.load(tmp_path)[TWO]
    assert (found.version, found.name, found.id) == (TWO, "drop_status", f"{TWO}_drop_status")
    assert (found.kind, found.phase, found.path) == (Kind.SCHEMA, Phase.AFTER_DEPLOY, path)
    assert (found.requires, found.finalizes, found.pods) == ((ONE,), (ONE,), (1, 3))
    assert found.override == {"drop-column": "nobody reads it"}
    assert (found.postpone_cutover, found.hold_hours, found.renames) == (True, 2.0, {"old": "new"})
    assert found.summary == "Drop the status."
    assert found.down is not None
    assert (found.up(None), found.down(None)) == ("up", "down")
    assert [found.is_for(pod_id) for pod_id in (1, 2, 3)] == [True, False, True]


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    write(tmp_path, ONE, f"{HEAD}\n@data\ndef up(data):\n    pass\n")
    found = Library.load(tmp_path)[ONE]
    assert (found.kind, found.phase, found.requires, found.pods) == (
        Kind.DATA,
        Phase.BEFORE_DEPLOY,
        (),
        None,
    )
    assert (found.down, found.postpone_cutover, found.hold_hours, found.summary) == (None, False, 24.0, "")
    assert found.is_for(7)


def test_they_come_by_version_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for version in (THREE, ONE, TWO):
        write(tmp_path, version)
    (tmp_path / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "README.md").write_text("")
    library = Library.load(tmp_path)
    assert [migration.version for migration in library] == [ONE, TWO, THREE]
    assert len(library) == 3
    assert TWO in library
    with pytest.raises(UnknownMigration, match="20260101000009 among the files"):
        library["20260101000009"]


def test_line_ends_are_not_part_of_the_checksum_and_everything_else_is(tmp_path: Path) -> None:
    path = write(tmp_path, ONE)
    unix = Library.load(tmp_path)
    path.write_bytes(PLAIN.replace("\n", "\r\n").encode())
    assert Library.load(tmp_path)[ONE].checksum == unix[ONE].checksum
    path.write_text(PLAIN + "\n# what it does is the same\n")
    edited = Library.load(tmp_path)
    assert edited[ONE].checksum != unix[ONE].checksum
    assert edited.digest != unix.digest


def test_digests_need_no_code_to_run(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    write(tmp_path, TWO)
    library = Library.load(tmp_path)
    assert digests(tmp_path) == [library[ONE].digest, library[TWO].digest]
    assert files_digest(tmp_path) == library.digest
    assert digests(tmp_path, most=1) == [library[TWO].digest]
    write(tmp_path, THREE, "raise RuntimeError")
    assert digests(tmp_path)[2].startswith(f"{THREE}:")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def up(op): pass", "no up"),
        (HEAD, "no up"),
        (f"{HEAD}\n@schema\nclass up: pass\ndown = 7", "down is no function"),
        ("1 / 0", "ZeroDivisionError"),
        ("def up(", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        (f"{HEAD}\n@schema(phase='now')\ndef up(op): pass", "phase='now'"),
        (f"{HEAD}\n@schema(requires=['2026'])\ndef up(op): pass", "'2026' is no version"),
        (f"{HEAD}\n@schema(pods=[])\ndef up(op): pass", r"pods=\[\]"),
        (f"{HEAD}\n@schema(pods=['1'])\ndef up(op): pass", r"pods=\['1'\]"),
        (f"{HEAD}\n@schema(override={{'one-ddl': ' '}})\ndef up(op): pass", "one-ddl without a reason"),
        (f"{HEAD}\n@schema(hold_hours=-1)\ndef up(op): pass", "hold_hours=-1"),
        (f"{HEAD}\n@data(hold_hours=1, weight=2)\ndef up(data): pass", "weight"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, source: str, told: str) -> None:
    write(tmp_path, ONE)
    path = write(tmp_path, TWO, source)
    with pytest.raises(InvalidMigration, match=told) as caught:
        Library.load(tmp_path)
    assert caught.value.path == path


@pytest.mark.parametrize("name", ["2026_x.py", "20261301000000_x.py", f"{ONE}_Änderung.py", f"{ONE}.py"])
def test_a_file_with_another_name_is_not_left_alone_in_silence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PLAIN)
    with pytest.raises(InvalidMigration, match="not named as a migration"):
        Library.load(tmp_path)
    with pytest.raises(InvalidMigration, match="not named as a migration"):
        digests(tmp_path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidMigration, match="no such folder"):
        Library.load(tmp_path / "migrations")


def test_a_version_stands_for_one_file(tmp_path: Path) -> None:
    write(tmp_path, ONE, name="first")
    write(tmp_path, ONE, name="second")
    with pytest.raises(InvalidMigration, match=f"has the version of {ONE}_first"):
        Library.load(tmp_path)


@pytest.mark.parametrize("named", ["requires", "finalizes"])
@pytest.mark.parametrize(
    ("version", "told"),
    [
        (THREE, "which is not earlier"),
        (TWO, "which is not earlier"),
        ("2025" + ONE[4:], "which is not there"),
    ],
)
def test_what_is_required_is_there_and_earlier(tmp_path: Path, named: str, version: str, told: str) -> None:
    write(tmp_path, ONE)
    write(tmp_path, TWO, f"{HEAD}\n@schema({named}=['{version}'])\ndef up(op): pass")
    write(tmp_path, THREE)
    with pytest.raises(InvalidMigration, match=f"requires {version}, {told}"):
        Library.load(tmp_path)


# New ones

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC


def test_a_new_file_is_a_migration_that_says_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    path = new_file(folder, "Add status to orders", now=NOON)
    other = new_file(folder, "fill_status", now=NOON + 1, is_data=True)
    assert [path.name, other.name] == [
        "20260101120000_add_status_to_orders.py",
        "20260101120001_fill_status.py",
    ]
    library = Library.load(folder)
    assert [(one.kind, one.summary) for one in library] == [
        (Kind.SCHEMA, "Add status to orders."),
        (Kind.DATA, "Fill status."),
    ]
    for migration in library:
        with pytest.raises(NotImplementedError, match="write what is"):
            migration.up(None)


def test_a_new_file_takes_bodies_that_were_made(tmp_path: Path) -> None:
    new_file(tmp_path, "x", now=NOON, up="return 1\n", down="if op:\n    return 2", summary='A "new" one.')
    [migration] = Library.load(tmp_path)
    assert migration.down is not None
    assert (migration.up(None), migration.down(True)) == (1, 2)
    assert migration.summary == "A 'new' one."


def test_a_new_file_is_later_than_all_others(tmp_path: Path) -> None:
    names = [new_file(tmp_path, name, now=now).name for name, now in (("a", NOON), ("b", NOON), ("c", 0.0))]
    assert [name[:14] for name in names] == ["20260101120000", "20260101120001", "20260101120002"]


@pytest.mark.parametrize("name", ["", "---", "ÄÖ"])
def test_a_new_file_needs_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidMigration, match="is no name"):
        new_file(tmp_path, name, now=NOON)
