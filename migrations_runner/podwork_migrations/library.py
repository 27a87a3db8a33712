"""The migrations of an application, as their files say.

Owns: `Library`, `digests`, `files_digest`, and what a folder of migrations has to be like. Promises: a
library that was loaded fits together: every version once, everything that is required there and earlier.
Leaves to others: what has been applied where (`ledger`), whether a migration is wise (`lint`).

A file is `YYYYMMDDHHMMSS_name.py` with an `up` that is decorated with `schema` or `data` (`declared`), and
often a `down`. Files whose names do not begin with a digit are left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from podwork.errors import ConfigurationError
from podwork.retry import describe
from podwork_migrations.declared import ATTRIBUTE, Declaration
from podwork_migrations.errors import InvalidMigration, UnknownMigration
from podwork_migrations.migration import Migration

FILE_NAME: Final = re.compile(r"(\d{14})_([a-z0-9_]{1,80})\.py")
_MEND: Final = "mend the file"


class Library:
    """Migrations that fit together, by version."""

    def __init__(self, migrations: Sequence[Migration]) -> None:
        self.migrations: tuple[Migration, ...] = tuple(sorted(migrations, key=lambda one: one.version))
        self._by_version: Mapping[str, Migration] = MappingProxyType(
            {one.version: one for one in self.migrations}
        )
        _check_together(self.migrations)

    @classmethod
    def load(cls, folder: str | Path) -> Library:
        """Read a folder; its files are executed.

        Raises:
            InvalidMigration: a file, or all together, cannot be used; the message names the file.
        """
        return cls([_read(path) for path in _files(Path(folder))])

    def __getitem__(self, version: str) -> Migration:
        """Return a migration. Raises UnknownMigration."""
        try:
            return self._by_version[version]
        except KeyError:
            raise UnknownMigration(version, "among the files") from None

    def __contains__(self, version: object) -> bool:
        return version in self._by_version

    def __len__(self) -> int:
        return len(self.migrations)

    def __iter__(self) -> Iterator[Migration]:
        return iter(self.migrations)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and contents of all files."""
        return _digest((one.id, one.checksum) for one in self.migrations)

    def of_pod(self, pod_id: int) -> list[Migration]:
        """Return those that run on a pod, by version."""
        return [one for one in self.migrations if one.is_for(pod_id)]


def digests(folder: str | Path, most: int = 200) -> list[str]:
    """Return `Migration.digest` of the latest files, without executing any.

    Raises:
        InvalidMigration: there is no such folder, or a file is not named as one of them.
    """
    latest = _files(Path(folder))[-most:]
    return [f"{path.name[:14]}:{_checksum(path)[:8]}" for path in latest]


def files_digest(folder: str | Path) -> str:
    """Return `Library.digest` of a folder, without executing its files. Raises as `digests` does."""
    return _digest((path.stem, _checksum(path)) for path in _files(Path(folder)))


def _digest(contents: Iterable[tuple[str, str]]) -> str:
    lines = sorted(f"{name} {checksum}\n" for name, checksum in contents)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InvalidMigration(folder, "there is no such folder", "make it, or set migrations.folder")
    found = sorted(path for path in folder.glob("*.py") if path.name[0].isdigit())
    for path in found:
        if not (FILE_NAME.fullmatch(path.name) and _is_moment(path.name[:14])):
            remedy = "call it YYYYMMDDHHMMSS_name.py, in lower case; see: podctl migrations new"
            raise InvalidMigration(path, "is not named as a migration", remedy)
    return found


def _is_moment(version: str) -> bool:
    try:
        datetime.strptime(version, "%Y%m%d%H%M%S")  # noqa: DTZ007 - only whether it is one
    except ValueError:
        return False
    return True


def _checksum(path: Path) -> str:
    # An editor, or git, may write other line ends: that changes nothing.
    lines = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(lines).hexdigest()


def _read(path: Path) -> Migration:
    module = _execute(path)
    up, down = getattr(module, "up", None), getattr(module, "down", None)
    declaration = getattr(up, ATTRIBUTE, None)
    if not callable(up) or not isinstance(declaration, Declaration):
        raise InvalidMigration(path, "has no up() that is decorated with @schema or @data", _MEND)
    if down is not None and not callable(down):
        raise InvalidMigration(path, "down is no function", _MEND)
    match = FILE_NAME.fullmatch(path.name)
    assert match is not None
    return Migration(
        version=match[1],
        name=match[2],
        checksum=_checksum(path),
        path=path,
        up=up,
        down=down,
        summary=(module.__doc__ or "").strip().partition("\n")[0],
        **vars(declaration),
    )


def _execute(path: Path) -> ModuleType:
    """Run the file as a module that nobody can import, and that writes no byte code."""
    module = ModuleType(f"podwork_migration_{path.stem}")
    module.__file__ = str(path)
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))  # noqa: S102 - the application's own
    except ConfigurationError as error:
        raise InvalidMigration(path, error.what, error.remedy) from None
    except (Exception, SystemExit) as error:
        raise InvalidMigration(path, describe(error), _MEND) from error
    return module


def _check_together(migrations: Sequence[Migration]) -> None:
    """Raise InvalidMigration unless each stands once, and what it requires is there and came before it.

    Nothing can require itself in a circle where everything requires earlier ones only.
    """
    seen: dict[str, Migration] = {}
    for one in migrations:
        if (other := seen.get(one.version)) is not None:
            raise InvalidMigration(one.path, f"has the version of {other.id}", "give one of them another")
        for named in (*one.requires, *one.finalizes):
            if named in seen:
                continue
            is_later = any(named == later.version for later in migrations)
            why = f"requires {named}, which is {'not earlier' if is_later else 'not there'}"
            raise InvalidMigration(one.path, why, "name a migration that was written before it")
        seen[one.version] = one
