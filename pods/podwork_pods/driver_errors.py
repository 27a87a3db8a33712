"""What drivers say, told apart.

Owns: the few questions that podwork asks about a driver's error, bare or wrapped by SQLAlchemy. Leaves to
others: lost connections, which `engines` turns into typed errors before anybody sees them.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

_DEADLOCK = 1213
_LOCK_WAIT_TIMEOUT = 1205
_NO_SUCH_TABLE = 1146
_TABLE_EXISTS = 1050
_INDEX_EXISTS = 1061
_DUPLICATE_ROW = 1062
_SYNTAX = 1064


def is_deadlock(error: Exception) -> bool:
    """Whether the transaction was chosen to end a deadlock, and was undone as a whole."""
    return _code(error) == _DEADLOCK


def is_lock_timeout(error: Exception) -> bool:
    """Whether a lock was not to be had in time."""
    return _code(error) == _LOCK_WAIT_TIMEOUT


def is_missing_table(error: Exception) -> bool:
    """Whether the statement names a table that is not there."""
    return _code(error) == _NO_SUCH_TABLE or "no such table" in str(_original(error))


def is_syntax_error(error: Exception) -> bool:
    """Whether the server does not know such a statement."""
    return _code(error) == _SYNTAX


def is_already_there(error: Exception) -> bool:
    """Whether a table, an index or a row that should be made had been made by somebody else."""
    return _code(error) in (_TABLE_EXISTS, _INDEX_EXISTS, _DUPLICATE_ROW, _DEADLOCK)


def _code(error: Exception) -> object:
    args = getattr(_original(error), "args", ())
    return args[0] if args else None


def _original(error: Exception) -> object:
    return error.orig if isinstance(error, DBAPIError) else error
