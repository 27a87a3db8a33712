"""Which database URLs can be used: shards' and the directory's.

Owns: `flaw_of`. Promises: what passes can be given to `engines.make_engine`; what it says of a URL shows no
password. Leaves to others: whether a server answers there.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from podwork_pods.masking import mask_url

SCHEMES = ("sqlite", "mysql+pymysql", "mariadb+pymysql")


class Flaw(NamedTuple):
    """What is wrong with a URL, and what to do about it."""

    what: str
    remedy: str


def flaw_of(url: object) -> Flaw | None:
    """Return why the URL cannot be used; None if it can."""
    try:
        parsed = make_url(str(url))
    except (ArgumentError, ValueError):
        return Flaw(f"{mask_url(str(url))!r} is not a URL", "give an SQLAlchemy URL; a port is a number")
    if parsed.drivername not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        return Flaw(f"{parsed.drivername}:// is not supported", f"give one of: {known}")
    if not parsed.database or parsed.database == ":memory:":
        return Flaw("it names no database", "end it with the database's name or file")
    return None
