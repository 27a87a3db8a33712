"""What replicas say of themselves, in the words of each server; MySQL's as its manual has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ProgrammingError

from podwork_pods.iteration.throttles import replicas
from podwork_pods.iteration.throttles.replicas import Replication, read

FOLLOWS: dict[str, Any] = {"Replica_IO_Running": "Yes", "Replica_SQL_Running": "Yes", "Last_SQL_Error": ""}


@pytest.mark.parametrize(
    ("rows", "replication"),
    [
        ([], Replication(None, "it is no replica")),
        ([{"Seconds_Behind_Source": 3}], Replication(3.0)),
        ([{"Seconds_Behind_Master": 0}], Replication(0.0)),
        ([{"Seconds_Behind_Master": 1}, {"Seconds_Behind_Master": 7}], Replication(7.0)),
        ([{**FOLLOWS, "Seconds_Behind_Source": None}], Replication(None, "replication has stopped")),
        (
            [{"Seconds_Behind_Source": 0}, {"Seconds_Behind_Source": None, "Last_IO_Error": "no route"}],
            Replication(None, "no route"),
        ),
        (
            [{"Seconds_Behind_Master": None, "Last_SQL_Error": "Duplicate entry", "Last_IO_Error": "x"}],
            Replication(None, "Duplicate entry"),
        ),
        ([{"Seconds_Behind": 3}], Replication(None, "replication has stopped")),
    ],
)
def test_the_slowest_source_counts_and_one_that_has_stopped_most(
    rows: list[dict[str, Any]], replication: Replication
) -> None:
    assert read(rows) == replication


class FakeServer:
    """A connection to a server that knows some statements, and answers anything else with a syntax error."""

    def __init__(self, *known: str, is_mariadb: bool = False, code: int = 1064) -> None:
        self.known = known
        self.asked: list[str] = []
        self.code = code
        self.is_mariadb = is_mariadb

    def exec_driver_sql(self, statement: str) -> FakeServer:
        self.asked.append(statement)
        if statement not in self.known:
            raise ProgrammingError(statement, {}, Exception(self.code, "You have an error"))
        return self

    @property
    def dialect(self) -> FakeServer:
        return self

    def mappings(self) -> list[dict[str, Any]]:
        return [{"said": self.asked[-1]}]


def ask(server: FakeServer, variants: dict[bool, Sequence[str]]) -> Any:
    connection = cast("Connection", server)
    [row] = replicas._ask(connection, variants[server.is_mariadb])
    return row["said"]


@pytest.mark.parametrize(
    ("server", "hosts", "status"),
    [
        (FakeServer("SHOW REPLICAS", "SHOW REPLICA STATUS"), "SHOW REPLICAS", "SHOW REPLICA STATUS"),
        (
            FakeServer("SHOW SLAVE HOSTS", "SHOW SLAVE STATUS"),
            "SHOW SLAVE HOSTS",
            "SHOW SLAVE STATUS",
        ),
        (
            FakeServer("SHOW SLAVE HOSTS", "SHOW ALL SLAVES STATUS", is_mariadb=True),
            "SHOW SLAVE HOSTS",
            "SHOW ALL SLAVES STATUS",
        ),
    ],
    ids=["mysql 8.4", "mysql 5.7", "mariadb"],
)
def test_each_server_is_asked_in_its_own_words(server: FakeServer, hosts: str, status: str) -> None:
    assert ask(server, dict(replicas._HOSTS)) == hosts
    assert ask(server, dict(replicas._STATUS)) == status


def test_a_refusal_is_not_taken_for_a_statement_that_is_not_known() -> None:
    server = FakeServer("SHOW SLAVE HOSTS", code=1227)
    with pytest.raises(ProgrammingError):
        ask(server, dict(replicas._HOSTS))
    assert server.asked == ["SHOW REPLICAS"]


SHARD = make_url("mysql+pymysql://worker:secret@primary:3306/shard_1")


@pytest.mark.parametrize(
    "row",
    [
        {"Server_id": 2, "Host": "replica", "Port": 3307, "Master_id": 1},
        {"Server_Id": 2, "Host": "replica", "Port": 3307, "Source_Id": 1, "Replica_UUID": "x"},
    ],
    ids=["mariadb", "mysql"],
)
def test_a_replica_is_asked_as_the_shards_own_user(row: dict[str, Any]) -> None:
    assert replicas._url(SHARD, row) == "mysql+pymysql://worker:secret@replica:3307/shard_1"


def test_a_replica_that_does_not_say_where_it_is_cannot_be_read() -> None:
    with pytest.raises(LookupError, match="server id 2 does not say its host: set report_host"):
        replicas._url(SHARD, {"Server_id": 2, "Host": "", "Port": 3306, "Master_id": 1})
