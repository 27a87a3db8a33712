"""The fingerprint of a shard's schema.

Owns: `fingerprint`. Promises: equal for equal schemas of one kind of server, whatever way they came about;
see `canonical` for what is in it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from podwork_migrations.fingerprint.canonical import canonical


def fingerprint(connection: Connection) -> str:
    """Return the fingerprint of the whole schema, 64 hexadecimal digits."""
    return canonical(connection).fingerprint
