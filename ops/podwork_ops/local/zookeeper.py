"""A private ZooKeeper: one Java process on four jars of the Debian package, without its start scripts."""

from __future__ import annotations

import socket
from pathlib import Path

from podwork_ops.local.errors import ServerMissing
from podwork_ops.local.ports import LOOPBACK
from podwork_ops.local.programs import find_program, install_remedy
from podwork_ops.local.server import PING_TIMEOUT_SECONDS, Server

JAR_FOLDER = Path("/usr/share/java")
# A short class path starts in a third of the time of the package's. The first must be there; which of
# the others exist differs between versions. The first of the two loggers wins.
JARS = ("zookeeper.jar", "zookeeper-jute.jar", "slf4j-api.jar", "slf4j-simple.jar", "slf4j-nop.jar")
JAVA_OPTIONS = (
    "-Xmx64m",
    "-Xms16m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dzookeeper.jmx.log4j.disable=true",
)
MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


class ZookeeperServer(Server):
    """One stand-alone ZooKeeper."""

    kind = "zookeeper"

    @property
    def url(self) -> str:
        """How clients reach it, without a chroot."""
        return f"zookeeper://{LOOPBACK}:{self.port}"

    def check_installed(self) -> None:
        """Raise `ServerMissing` unless Java and the jars are there."""
        find_program("java", debian_package="zookeeper")
        if not (JAR_FOLDER / JARS[0]).exists():
            raise ServerMissing(str(JAR_FOLDER / JARS[0]), install_remedy("zookeeper"))

    def command(self) -> list[str]:
        """Write the configuration for the present port and return the command line."""
        configuration = self._write_configuration()
        jars = [str(JAR_FOLDER / jar) for jar in JARS if (JAR_FOLDER / jar).exists()]
        java = find_program("java", debian_package="zookeeper")
        return [str(java), *JAVA_OPTIONS, "-cp", ":".join(jars), MAIN_CLASS, str(configuration)]

    def ping(self) -> bool:
        """Tell whether the ZooKeeper on the port serves, and stores in this server's folder."""
        # `srvr` is refused until it serves; `conf` names the data folder, which is nobody else's.
        return "Mode:" in self._ask(b"srvr") and f"dataDir={self._data}/" in self._ask(b"conf")

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _write_configuration(self) -> Path:
        self._data.mkdir(exist_ok=True)
        self.account.own(self._data)
        options = {
            "dataDir": self._data,
            "clientPort": self.port,
            "clientPortAddress": LOOPBACK,
            "tickTime": 500,  # allows sessions as short as a second, so that losses are seen soon
            "minSessionTimeout": 1000,
            "maxSessionTimeout": 60000,
            "maxClientCnxns": 0,
            "forceSync": "no",
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "srvr,conf,ruok,mntr,stat",
        }
        path = self.directory / "zoo.cfg"
        lines = [f"{key}={_as_property(str(value))}\n" for key, value in options.items()]
        path.write_text("".join(lines), encoding="ascii")
        path.chmod(0o644)
        return path

    def _ask(self, word: bytes) -> str:
        answer = bytearray()
        try:
            with socket.create_connection((LOOPBACK, self.port), PING_TIMEOUT_SECONDS) as connection:
                connection.settimeout(PING_TIMEOUT_SECONDS)
                connection.sendall(word)
                while part := connection.recv(65536):
                    answer += part
        except OSError:
            return ""
        return answer.decode(errors="replace")


def _as_property(value: str) -> str:
    """Write a value as a Java properties file spells it: ASCII, the rest escaped."""
    return "".join(
        character if character.isascii() and character != "\\" else f"\\u{ord(character):04x}"
        for character in value
    )
