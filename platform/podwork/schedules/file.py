"""Schedules declared in a TOML file, in the form in which resque-scheduler has them.

    [schedules.nightly_report]
    class = "shop.report"
    args = { kind = "full" }
    cron = "0 3 * * *"
    zone = "America/Toronto"

Owns: the keys of a schedule, and `declare_from`. Promises: a file is taken whole or not at all, and what is
wrong is one line that names file, schedule and key. Leaves to others: what a declaration means
(`catalogue`).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from podwork.errors import ConfigurationError, InvalidArguments
from podwork.job import Call
from podwork.schedules.plan import CATCH_UPS

if TYPE_CHECKING:
    from podwork.app import App
    from podwork.job import JobClass
    from podwork.schedules.declaration import Declaration

_TEXT: Final = (str,)
_TABLE: Final = (dict,)
_NUMBER: Final = (int, float)
KEYS: Final[dict[str, tuple[type, ...]]] = {
    "class": _TEXT, "queue": _TEXT, "args": _TABLE, "description": _TEXT,
    "cron": _TEXT, "every": _NUMBER, "zone": _TEXT,
    "jitter_seconds": _NUMBER, "catch_up": _TEXT, "at_least_every": _NUMBER,
}  # fmt: skip
_NAMES: Final = {"jitter_seconds": "jitter"}
"""Keys that `Catalogue.declare` calls otherwise."""


def declare_from(file: Path, app: App) -> int:
    """Declare the schedules of a file, beside those in code; return how many there were.

    Raises:
        ConfigurationError: the file cannot be read, or one of its schedules cannot be meant so.
    """
    declarations = [_declaration(file, name, fields, app) for name, fields in _tables(file).items()]
    for declaration in declarations:
        app.schedules.add(declaration)
    return len(declarations)


def _declaration(file: Path, name: str, fields: Mapping[str, Any], app: App) -> Declaration:
    where = f"{file}: schedules.{name}"
    if name in app.schedules:
        _refuse(where, "it is declared in code too", "give one of the two another name")
    _check_keys(where, fields)
    call = _call(where, app, fields)
    options = {_NAMES.get(key, key): value for key, value in fields.items() if key not in ("class", "args")}
    try:
        return app.schedules.declaration(name, call, **options)
    except ConfigurationError as error:
        what = error.what.removeprefix(f"schedule {name}: ").replace("jitter:", "jitter_seconds:")
        key, colon, rest = what.partition(": ")
        named = colon and key in KEYS
        _refuse(f"{where}.{key}" if named else where, rest if named else what, error.remedy)


def _tables(file: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        _refuse(str(file), error.strerror or str(error), "let schedules.file name a readable file")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _refuse(str(file), f"not TOML: {error}", "mend the file")
    strangers = [key for key in document if key != "schedules"]
    tables = document.get("schedules", {})
    if strangers or not isinstance(tables, dict):
        _refuse(f"{file}: {', '.join(strangers) or 'schedules'}", "not a schedule", "write [schedules.NAME]")
    for name, fields in tables.items():
        if not isinstance(fields, dict):
            _refuse(f"{file}: schedules.{name}", f"{fields!r} is not a schedule", f"write [schedules.{name}]")
    return tables


def _check_keys(where: str, fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            _refuse(f"{where}.{key}", "no such key", f"did you mean {near[0]}?" if near else "leave it out")
        if isinstance(value, bool) or not isinstance(value, KEYS[key]):
            wanted = "text" if KEYS[key] is _TEXT else "a table" if KEYS[key] is _TABLE else "a number"
            _refuse(f"{where}.{key}", f"{value!r} is not {wanted}", f"give {wanted}")
    if fields.get("catch_up", "one") not in CATCH_UPS:
        _refuse(f"{where}.catch_up", repr(fields["catch_up"]), "give none, one or all")


def _call(where: str, app: App, fields: Mapping[str, Any]) -> Call:
    if "class" not in fields:
        _refuse(f"{where}.class", "missing", "name one of the application's job classes")
    job_class: JobClass[Any] | None = app.job_classes.get(fields["class"])
    if job_class is None:
        near = difflib.get_close_matches(fields["class"], app.job_classes, n=1)
        hint = f"did you mean {near[0]}?" if near else f"declare it in {app.name}"
        _refuse(f"{where}.class", f"unknown job class {fields['class']!r}", hint)
    try:
        call = Call(job_class, (), fields.get("args", {}))
        job_class.parameters.encode(call.args)
    except (InvalidArguments, msgspec.ValidationError) as error:
        what, remedy = (error.why, error.remedy) if isinstance(error, InvalidArguments) else (str(error), "")
        _refuse(f"{where}.args", what, remedy)
    return call


def _refuse(where: str, what: str, remedy: str) -> NoReturn:
    raise ConfigurationError(f"{where}: {what}", remedy) from None
