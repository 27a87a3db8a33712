"""What a MariaDB or MySQL says of itself."""

from __future__ import annotations

from sqlalchemy import Connection


def global_status(connection: Connection, name: str) -> int:
    """Return it. Raises NoResultFound: the server has none such."""
    row = connection.exec_driver_sql("SHOW GLOBAL STATUS WHERE Variable_name = %s", (name,)).one()
    return int(row[1])


def is_mariadb(connection: Connection) -> bool:
    """Whether it is a MariaDB; known only once something is connected."""
    return bool(getattr(connection.dialect, "is_mariadb", False))
