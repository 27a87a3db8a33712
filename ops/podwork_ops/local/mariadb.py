"""A private MariaDB, small and quick to start, with a full row binlog.

Durable against a killed process (the flags below were tried with SIGKILL), not against a power cut.
Its one user is `root` without a password, on the loopback address.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import threading
from pathlib import Path

from podwork_ops.local.account import Account
from podwork_ops.local.errors import ServerFailed, ServerMissing
from podwork_ops.local.ports import LOOPBACK
from podwork_ops.local.programs import find_program
from podwork_ops.local.server import PING_TIMEOUT_SECONDS, Server, last_lines

PACKAGE = "mariadb-server"
# Must be the same when the data folder is made and whenever it is served.
STORAGE_OPTIONS = (
    "--innodb-log-file-size=4M",
    "--innodb-data-file-path=ibdata1:3M:autoextend",
    "--innodb-autoextend-increment=1",
    "--skip-innodb-doublewrite",
)
# log_bin_compress stays off, row image and metadata are full: what follows the binlog needs all three.
BINLOG_OPTIONS = (
    "--log-bin=bin",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--binlog-annotate-row-events=OFF",
    "--gtid-domain-id=0",
    "--gtid-strict-mode=ON",
    "--sync-binlog=0",
)
# flush_log=2 keeps every commit through a kill -9; 0 would lose commits that the binlog still has.
ENGINE_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-fast-shutdown=2",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-log-buffer-size=2M",
    "--aria-pagecache-buffer-size=1M",
    "--aria-log-file-size=8M",
    "--table-open-cache=200",
    "--table-definition-cache=400",
    "--performance-schema=OFF",
    "--max-connections=200",
    "--query-cache-type=0",
    "--query-cache-size=0",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--skip-name-resolve",
)


class MariadbTemplate:
    """An empty data folder, made once per fleet; copying it takes a tenth of the time of making another."""

    def __init__(self, directory: Path, account: Account) -> None:
        self.directory = directory
        self.account = account
        self._making = threading.Lock()

    def copy_to(self, target: Path) -> None:
        """Make `target` a data folder of its own; does nothing if it is there already."""
        if target.exists():
            return
        with self._making:
            self._make()
        part = target.with_suffix(".part")  # a copy cut short must not be taken for a data folder
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self.directory, part)
        part.rename(target)

    def _make(self) -> None:
        if self.directory.exists():
            return
        part = self.directory.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        self.account.own(part)
        log = self.directory.with_suffix(".log")
        with log.open("wb") as output:
            made = subprocess.run(
                self._command(),
                cwd=part,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **self.account.popen_options(),
            )
        if made.returncode != 0:
            why = f"it ended with code {made.returncode}: {last_lines(log)}"
            raise ServerFailed("mariadb-install-db", why, log)
        part.rename(self.directory)

    def _command(self) -> list[str]:
        # The working folder is the data folder: the script trips over blanks in a path.
        return [
            str(find_program("mariadb-install-db", PACKAGE)),
            "--no-defaults",
            "--datadir=.",
            "--tmpdir=.",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            *STORAGE_OPTIONS,
        ]


class MariadbServer(Server):
    """One MariaDB."""

    kind = "mariadb"

    def __init__(
        self,
        name: str,
        directory: Path,
        account: Account,
        port: int = 0,
        *,
        template: MariadbTemplate | None = None,
        server_id: int = 1,
    ) -> None:
        """Describe a server; `template` may be shared by a fleet, `server_id` must be unique in it."""
        super().__init__(name, directory, account, port)
        self._template = template or MariadbTemplate(directory / "template", account)
        self._server_id = server_id

    @property
    def url(self) -> str:
        """How clients reach it, without a database."""
        return f"mysql+pymysql://root@{LOOPBACK}:{self.port}"

    def database_url(self, database: str) -> str:
        """Return the SQLAlchemy URL of one of its databases."""
        return f"{self.url}/{database}?charset=utf8mb4"

    def check_installed(self) -> None:
        """Raise `ServerMissing` unless its programs and the driver are there."""
        find_program("mariadbd", PACKAGE)
        find_program("mariadb-install-db", PACKAGE)
        if importlib.util.find_spec("pymysql") is None:
            raise ServerMissing("PyMySQL", "pip install 'podwork[mysql]'")

    def prepare(self) -> None:
        """Make the data folder."""
        self._template.copy_to(self._data)

    def command(self) -> list[str]:
        """Return the command line for the present port."""
        return [
            str(find_program("mariadbd", PACKAGE)),
            "--no-defaults",
            f"--datadir={self._data}",
            # Relative to the data folder: an absolute socket path may be longer than the system allows.
            "--socket=mysql.sock",
            "--pid-file=mysql.pid",
            f"--bind-address={LOOPBACK}",
            f"--port={self.port}",
            f"--server-id={self._server_id}",
            "--innodb-buffer-pool-size=64M",
            *STORAGE_OPTIONS,
            *BINLOG_OPTIONS,
            *ENGINE_OPTIONS,
        ]

    def ping(self) -> bool:
        """Tell whether the MariaDB on the port serves this server's data folder."""
        try:
            rows = self.execute("SELECT @@datadir", PING_TIMEOUT_SECONDS)
        except OSError:
            return False
        return bool(rows) and Path(str(rows[0][0])).resolve() == self._data.resolve()

    def execute(self, statement: str, timeout_seconds: float = 30.0) -> list[tuple[object, ...]]:
        """Run one statement as root and return its rows.

        Raises:
            OSError: the server cannot be reached, or refuses the statement.
        """
        import pymysql  # noqa: PLC0415 - an extra: the embedded form does without it

        try:
            with (
                pymysql.connect(
                    host=LOOPBACK,
                    port=self.port,
                    user="root",
                    connect_timeout=PING_TIMEOUT_SECONDS,
                    read_timeout=timeout_seconds,
                    autocommit=True,
                ) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)
                return list(cursor.fetchall())
        except pymysql.Error as error:
            raise OSError(f"{self.name}: {error}") from None

    def create_database(self, database: str) -> str:
        """Create the database unless it is there, and return its URL."""
        self.execute(f"CREATE DATABASE IF NOT EXISTS `{database}` CHARACTER SET utf8mb4")
        return self.database_url(database)

    @property
    def _data(self) -> Path:
        return self.directory / "data"
