"""Files of CSV and JSON lines as collections: every record once, from any byte at which one begins."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podwork.iteration.collection import Collection, Slice
from podwork_pods.iteration.collections import (
    Divisible,
    ForeignCursor,
    InvalidCollection,
    UnreadableRecord,
    csv_lines,
    files,
    json_lines,
)
from podwork_pods.iteration.collections.files import RecordFile
from podwork_pods.iteration.collections.slices import EMPTY
from tests.support.walking import batches, through_text, walked

ROUNDS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
FIELD = st.text(st.sampled_from("a,\"\n\r'ß€;\x00".replace("\x00", " ")), max_size=6)


def written(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "input"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def flat(found: list[list[Any]]) -> list[Any]:
    return [item for part in found for item in part]


def halved(collection: RecordFile, parts: int, choices: st.DataObject) -> list[Any]:
    """Return the items that workers see who take halves from one another whenever they like."""
    seen: list[Any] = []
    waiting = [(part, part.after) for part in collection.slices(None, parts)]
    while waiting:
        part, cursor = waiting.pop()
        if choices.draw(st.booleans()):
            middle = through_text(collection.middle(None, part, cursor))
            if middle is not None:
                waiting += [(Slice(part.after, middle), cursor), (Slice(middle, part.upto), middle)]
                continue
        batch = collection.batch(None, part, cursor, 2)
        if batch is not None:
            seen += batch.items
            waiting.append((part, batch.last))
    return seen


# --- CSV


@ROUNDS
@given(
    records=st.lists(st.tuples(FIELD, FIELD), max_size=25),
    parts=st.integers(1, 8),
    limit=st.integers(1, 6),
    mark=st.booleans(),
    break_=st.sampled_from(["\n", "\r\n"]),
    choices=st.data(),
)
def test_csv_records_once_each_whatever_is_quoted(
    tmp_path: Path,
    records: list[tuple[str, str]],
    parts: int,
    limit: int,
    mark: bool,
    break_: str,
    choices: st.DataObject,
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=break_, quoting=csv.QUOTE_ALL).writerows([("id", "na,me"), *records])
    path = written(tmp_path, b"\xef\xbb\xbf" * mark + text.getvalue().encode())
    expected = [{"id": one, "na,me": other} for one, other in records]
    of_all = csv_lines(path)
    assert flat(walked(of_all, None, parts, limit)) == expected
    assert of_all.count(None) == len(expected)
    seen = halved(of_all, parts, choices)
    assert sorted(map(repr, seen)) == sorted(map(repr, expected))


def test_csv_without_a_header_and_in_another_form(tmp_path: Path) -> None:
    path = written(tmp_path, "1;'a;b'\n\n2;ü\n".encode("latin-1"))
    of_all = csv_lines(path, ("id", "name"), delimiter=";", quotechar="'", encoding="latin-1")
    assert flat(walked(of_all, None)) == [{"id": "1", "name": "a;b"}, {"id": "2", "name": "ü"}]


def test_csv_slices_are_of_about_equal_size(tmp_path: Path) -> None:
    path = written(tmp_path, "id\n" + "".join(f"{number:06}\n" for number in range(1000)))
    assert [len(part) for part in walked(csv_lines(path), None, 4, 100)] == [250] * 4


@pytest.mark.parametrize("content", ["", "id,name\n", "id,name", "\ufeff", "\ufeffid,name\n"])
def test_csv_without_records_is_empty(tmp_path: Path, content: str) -> None:
    of_all = csv_lines(written(tmp_path, content))
    assert of_all.slices(None, 3) == [EMPTY]
    assert of_all.batch(None, EMPTY, None, 1) is None
    assert of_all.middle(None, EMPTY, None) is None
    assert of_all.count(None) == 0


@pytest.mark.parametrize(
    ("content", "offset", "why"),
    [
        ("id,name\n1,a\n2\n", 12, "1 fields, there are 2 names"),
        ("id,name\n1,a\n2,b,c\n", 12, "3 fields"),
        ('id,name\n1,"a\n2,b\n', 8, "unexpected end"),
        ('id,name\n1,"a"x\n', 8, "expected after"),
        (b"id,name\n1,a\n2,\xff\n", 12, "can't decode"),
    ],
)
def test_a_broken_csv_record_ends_the_run_and_is_named(
    tmp_path: Path, content: str | bytes, offset: int, why: str
) -> None:
    of_all = csv_lines(written(tmp_path, content))
    with pytest.raises(UnreadableRecord, match=why) as raised:
        list(batches(of_all, None, Slice(None, None), 1))
    assert raised.value.offset == offset


def test_what_comes_before_a_broken_record_can_be_done(tmp_path: Path) -> None:
    of_all = csv_lines(written(tmp_path, "id,name\n1,a\n2,b\n3\n"))
    found = of_all.batch(None, Slice(None, None), None, 2)
    assert found is not None
    assert [item["id"] for item in found.items] == ["1", "2"]


def test_csv_whose_names_or_encoding_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidCollection, match="twice"):
        csv_lines(written(tmp_path, "a,a\n1,2\n")).slices(None, 1)
    for encoding in ("utf-16", "no-such"):
        with pytest.raises(InvalidCollection, match="encoding"):
            csv_lines(tmp_path / "input", encoding=encoding)


# --- JSON lines


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@ROUNDS
@given(
    values=st.lists(JSON, max_size=25),
    parts=st.integers(1, 8),
    limit=st.integers(1, 6),
    mark=st.booleans(),
    break_=st.sampled_from(["\n", "\r\n", "\n\n"]),
    is_ended=st.booleans(),
    choices=st.data(),
)
def test_json_lines_once_each(
    tmp_path: Path,
    values: list[Any],
    parts: int,
    limit: int,
    mark: bool,
    break_: str,
    is_ended: bool,
    choices: st.DataObject,
) -> None:
    text = break_.join(json.dumps(value, ensure_ascii=False) for value in values) + break_ * is_ended
    path = written(tmp_path, b"\xef\xbb\xbf" * mark + text.encode("utf-8", "surrogatepass"))
    of_all = json_lines(path)
    assert flat(walked(of_all, None, parts, limit)) == values
    assert of_all.count(None) == len(values)
    seen = halved(of_all, parts, choices)
    assert sorted(map(repr, seen)) == sorted(map(repr, values))


def test_json_slices_are_of_about_equal_size(tmp_path: Path) -> None:
    path = written(tmp_path, "".join(f"{number}\n" for number in range(1000, 2000)))
    assert [len(part) for part in walked(json_lines(path), None, 4, 100)] == [250] * 4


def test_a_line_longer_than_a_slice_makes_fewer_slices(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps("x" * 1000) + "\n1\n2\n")
    assert [len(part) for part in walked(json_lines(path), None, 8)] == [1, 2]


@pytest.mark.parametrize(("content", "offset"), [(b"1\n{\n", 2), (b"1\n\n\xff\n", 3)])
def test_a_line_that_is_no_json_ends_the_run_and_is_named(
    tmp_path: Path, content: bytes, offset: int
) -> None:
    with pytest.raises(UnreadableRecord) as raised:
        flat(walked(json_lines(written(tmp_path, content)), None))
    assert raised.value.offset == offset


# --- files that change, and files that are not there


def test_what_is_appended_is_not_done(tmp_path: Path) -> None:
    path = written(tmp_path, "1\n2\n3\n")
    of_all = json_lines(path)
    slices = of_all.slices(None, 2)
    with path.open("a") as file:
        file.write("4\n")
    assert [item for part in slices for found in batches(of_all, None, part, 1) for item in found.items] == [
        1,
        2,
        3,
    ]


def test_a_record_that_was_half_written_at_the_start_is_read_as_a_whole(tmp_path: Path) -> None:
    path = written(tmp_path, "1\n22")
    of_all = json_lines(path)
    [part] = of_all.slices(None, 1)
    with path.open("a") as file:
        file.write("22\n3\n")
    found = list(batches(of_all, None, part, 1))
    assert [item for batch in found for item in batch.items] == [1, 2222]
    assert found[-1].last == part.upto, "a cursor is never behind its slice"


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, "1\n2\n3\n")
    of_all = json_lines(path)
    [part] = of_all.slices(None, 1)
    first = of_all.batch(None, part, None, 2)
    assert first is not None
    path.write_text("1\n")
    with pytest.raises(ForeignCursor, match="only 2 bytes"):
        of_all.batch(None, part, first.last, 2)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for of_all in (json_lines(tmp_path / "nothing"), csv_lines(tmp_path / "nothing"), json_lines(tmp_path)):
        with pytest.raises(InvalidCollection, match="cannot be read"):
            of_all.slices(None, 1)


def test_a_large_file_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "COUNTED_BYTES", 3)
    assert json_lines(written(tmp_path, "1\n2\n")).count(None) is None


def test_they_are_what_the_engine_asks_for(tmp_path: Path) -> None:
    for made in (json_lines(tmp_path), csv_lines(tmp_path)):
        assert isinstance(made, Collection)
        assert isinstance(made, Divisible)
