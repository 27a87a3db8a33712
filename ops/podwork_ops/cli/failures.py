"""The sentence and the exit code of an error that ends a command.

Owns: the translation of what libraries raise (SQLAlchemy, the operating system) when a layer below let
it through. Promises: one line, with a remedy, and no password in it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import exc

from podwork.errors import PodworkError
from podwork_ops.errors import ExitCode
from podwork_ops.exit_code_table import exit_code
from podwork_ops.masking import mask
from podwork_pods.errors import DirectoryUnavailable, RegistryUnavailable

STACK_SETTINGS = Path(".podwork/podwork.toml")
"""What `podctl local up` writes."""


def describe(error: Exception, *, without_settings: bool = False) -> tuple[str, int]:
    """Return the line to print and the code to leave with."""
    if without_settings and isinstance(error, RegistryUnavailable | DirectoryUnavailable):
        what = mask(f"no settings file was found, and {error.what}")
        return f"{what} - {where_settings_are()}", exit_code(error)
    if isinstance(error, PodworkError):
        return mask(str(error)), exit_code(error)
    if isinstance(error, exc.DBAPIError):
        return mask(f"the database does not answer: {first_line(error.orig)} - see: podctl doctor"), (
            ExitCode.UNREACHABLE
        )
    if isinstance(error, sqlite3.Error):
        return f"the database cannot be used: {error} - see: podctl doctor", ExitCode.UNREACHABLE
    if isinstance(error, OSError):
        return mask(_operating_system(error)), ExitCode.FAILED
    return mask(f"internal error: {type(error).__name__}: {error} - run again with --debug, and report it"), (
        ExitCode.INTERNAL
    )


def where_settings_are() -> str:
    """Return what somebody should do who gave podctl no settings."""
    if STACK_SETTINGS.is_file():
        return f"export PODWORK_CONFIG={STACK_SETTINGS}"
    return "name it with --config or PODWORK_CONFIG, or start a stack: podctl local up"


def first_line(error: BaseException | None) -> str:
    """Return the driver's own words: the message without its number and wrapping."""
    arguments = [str(part) for part in getattr(error, "args", ()) if isinstance(part, str)]
    text = arguments[-1] if arguments else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def _operating_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error} - mend that and run again"
