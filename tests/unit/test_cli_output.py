"""Tables for people, JSON for machines."""

from __future__ import annotations

import io
import json

import pytest

from podwork_ops.cli.output import Column, Output, age, count


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


COLUMNS = [Column("POD", "pod_id", right=True), Column("STATE", "state"), Column("OLDEST", "oldest", age)]


def written(form: str, rows: list[dict[str, object]]) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    Output(form, out, err).rows("pods", rows, COLUMNS, empty="no pods")
    return out.getvalue(), err.getvalue()


def test_a_table_in_a_pipe_has_no_colour_and_cuts_nothing() -> None:
    text, _ = written("table", [{"pod_id": 1, "state": "x" * 300, "oldest": None}])
    assert "\x1b" not in text
    assert "x" * 300 in text
    assert text.splitlines()[0].startswith("POD")


@pytest.mark.parametrize("width", [20, 80])
def test_on_a_narrow_terminal_only_wide_columns_are_folded(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    columns = [Column("SETTING", "setting"), Column("VALUE", "value", wide=True), Column("FROM", "origin")]
    name, value = "topology.directory_refresh_seconds", "v" * 70
    row = {"setting": name, "value": value, "origin": "default"}
    stream = Terminal()
    Output("table", stream, stream).rows("settings", [row], columns)
    text = stream.getvalue()
    assert f"\n{name}  v" in text
    assert "default\n" in text
    assert text.count("v") - name.count("v") == len(value)
    assert width < len(name) or max(map(len, text.splitlines()[1:])) <= width  # the header is bold


def test_json_is_one_document_with_the_noun_as_its_key() -> None:
    text, _ = written("json", [{"pod_id": 1, "state": "active", "oldest": 2.5}])
    assert json.loads(text) == {"pods": [{"pod_id": 1, "state": "active", "oldest": 2.5}]}


def test_an_empty_list_says_so_on_standard_error_and_is_an_empty_list_in_json() -> None:
    assert written("table", []) == ("", "no pods\n")
    assert json.loads(written("json", [])[0]) == {"pods": []}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (0.42, "0.4s"), (12, "12s"), (119, "119s"), (300, "5m"), (7199, "120m"), (7200, "2h"),
     (200_000, "2d")],
)  # fmt: skip
def test_ages_have_one_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text


def test_counts_are_grouped() -> None:
    assert count(1_469_307) == "1,469,307"
