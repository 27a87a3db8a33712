"""One thread that follows one pod's binlog for any number of watches.

Owns: `Follower`. Promises: a key is noted before a position behind its change is reached; a watch is
reached up to ends of transactions only; what the log does not say about a watched table fails the watches
that have it, and a connection that is lost fails all: nobody goes on from a place that was guessed. `stop`
ends the thread within a heartbeat. Leaves to others: which follower serves whom (`tailer`).

What the library of the stream does in silence is not relied on: it would connect again by itself, pass
over events that it has no class for (compressed ones), and keep table numbers across a restart of the
server.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import (
    BeginLoadQueryEvent,
    ExecuteLoadQueryEvent,
    FormatDescriptionEvent,
    HeartbeatLogEvent,
    MariadbBinLogCheckPointEvent,
    MariadbGtidEvent,
    MariadbGtidListEvent,
    NotImplementedEvent,
    QueryEvent,
    RotateEvent,
    XAPrepareEvent,
    XidEvent,
)
from pymysqlreplication.row_event import (
    DeleteRowsEvent,
    PartialUpdateRowsEvent,
    RowsEvent,
    TableMapEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)
from sqlalchemy import Engine

from podwork.errors import PodworkError
from podwork.points import reach
from podwork_pods.mover.rows.errors import LogLost, LogUnfit, StreamEnded, TableAltered
from podwork_pods.mover.rows.literals import Key
from podwork_pods.mover.rows.stream.images import Plan, Unfit, packed_bitmaps
from podwork_pods.mover.rows.stream.position import Position
from podwork_pods.mover.rows.stream.sayings import Saying, ends_transaction, said
from podwork_pods.mover.rows.stream.watch import Watch
from podwork_pods.mover.tables.table import MovedTable

HEARTBEAT_SECONDS: Final = 0.25
SILENCE_SECONDS: Final = 15.0
"""A server that says nothing for so long, not even a heartbeat, is lost."""
_READ_ERROR: Final = 1236
_ANONYMOUS: Final = 34
_EVENTS: Final = (
    QueryEvent,
    XidEvent,
    XAPrepareEvent,
    RotateEvent,
    FormatDescriptionEvent,
    HeartbeatLogEvent,
    MariadbGtidEvent,
    MariadbGtidListEvent,
    MariadbBinLogCheckPointEvent,
    TableMapEvent,
    WriteRowsEvent,
    UpdateRowsEvent,
    DeleteRowsEvent,
    PartialUpdateRowsEvent,
    BeginLoadQueryEvent,
    ExecuteLoadQueryEvent,
    NotImplementedEvent,
)


class Follower:
    """Follows the binlog of a pod's shard from a position on.

    Args:
        engine: the shard's, for its address and user; its pool is not used.
    """

    def __init__(self, pod_id: int, engine: Engine, position: Position) -> None:
        self.pod_id = pod_id
        self._schema = str(engine.url.database)
        self._engine = engine
        self._position = position
        self._names: set[str] = set()
        self._watches: list[Watch] = []
        self._plans: dict[tuple[int, tuple[str, ...]], tuple[Any, Plan]] = {}
        self._in_transaction = False
        self._connected = 0
        self._is_over = False
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._stream = self._open()
        self._thread = threading.Thread(target=self._run, name=f"podwork-binlog-{pod_id}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def is_over(self) -> bool:
        """Whether it follows no more."""
        with self._lock:
            return self._is_over

    @property
    def watches(self) -> list[Watch]:
        """Whom it serves."""
        with self._lock:
            return list(self._watches)

    def serve(self, watch: Watch) -> bool:
        """Note keys for the watch from now on; False: it has read past the watch's position, or is over."""
        with self._lock:
            if self._is_over or self._position > watch.position or self._in_transaction:
                return False
            self._watches.append(watch)
            self._names.update(watch.tables)
            return True

    def let_go(self, watch: Watch) -> None:
        """Serve the watch no more."""
        with self._lock:
            if watch in self._watches:
                self._watches.remove(watch)
            self._names.clear()
            self._names.update(name for other in self._watches for name in other.tables)

    def hand_over(self, watch: Watch, other: Follower) -> bool:
        """Let another follower serve the watch, if it has not read further than this one."""
        with self._lock, other._lock:  # the second one is always the main one of the tailer
            if self._in_transaction or not other.serve(watch):
                return False
            self.let_go(watch)
            return True

    def _open(self) -> BinLogStreamReader:
        _, settings = self._engine.dialect.create_connect_args(self._engine.url)
        settings = {**settings, "charset": "utf8mb4", "read_timeout": SILENCE_SECONDS, "connect_timeout": 10}
        return BinLogStreamReader(
            connection_settings=settings,
            server_id=random.randrange(1 << 31, 1 << 32),  # noqa: S311 - one that no server has
            log_file=self._position.file,
            log_pos=self._position.offset,
            resume_stream=True,
            blocking=True,
            only_events=list(_EVENTS),
            only_tables=self._names,
            only_schemas=[self._schema],
            filter_non_implemented_events=False,
            slave_heartbeat=HEARTBEAT_SECONDS,
            # A table's number stands for one definition within a file; `_entered` forgets it with the file.
            freeze_schema=True,
            enable_logging=False,
            is_mariadb=False,  # True would ignore the position
            pymysql_wrapper=self._connect,
        )

    def _connect(self, **settings: Any) -> Any:
        """Connect for the stream, and once more for what it asks beside; then never again."""
        self._connected += 1
        if self._connected > 2:
            raise StreamEnded(self.pod_id, "the connection was lost")
        return pymysql.connect(**settings)

    def _run(self) -> None:
        try:
            for event in self._events():
                with self._lock:
                    self._see(event)
            trouble: Callable[[], PodworkError] = lambda: StreamEnded(self.pod_id, "it was stopped")  # noqa: E731
        except PodworkError as error:
            trouble = _again(error)
        except Unfit as error:
            trouble = _again(LogUnfit(self.pod_id, str(self._position), str(error)))
        except pymysql.Error as error:
            trouble = _again(self._lost(error))
        except Exception as error:
            trouble = _again(LogUnfit(self.pod_id, str(self._position), f"what is not understood: {error!r}"))
        with self._lock:
            self._is_over = True
            for watch in self._watches:
                watch.fail(trouble)
        self._stream.close()

    def _events(self) -> Iterator[Any]:
        while not self._stopping.is_set():
            event = self._stream.fetchone()
            if event is None:
                raise StreamEnded(self.pod_id, "the server has ended it")
            reach("rows.event")
            yield event

    def _see(self, event: Any) -> None:
        if isinstance(event, (MariadbGtidEvent, TableMapEvent)):
            self._in_transaction = True  # rows without the map before them would be passed over in silence
        elif isinstance(event, RowsEvent):
            self._in_transaction = True
            self._note(event)
        elif isinstance(event, QueryEvent):
            self._hear(event.query, _text(event.schema))
        elif isinstance(event, (XidEvent, XAPrepareEvent)):
            self._in_transaction = False
        elif isinstance(event, (RotateEvent, FormatDescriptionEvent)):
            self._entered()
        elif isinstance(event, (BeginLoadQueryEvent, ExecuteLoadQueryEvent)):
            raise Unfit("LOAD DATA as a statement")
        elif isinstance(event, NotImplementedEvent) and event.event_type != _ANONYMOUS:
            raise Unfit(f"an event that cannot be read (number {event.event_type}; compressed ones are such)")
        self._advance(event)

    def _note(self, event: Any) -> None:
        if isinstance(event, PartialUpdateRowsEvent):
            raise Unfit("parts of JSON instead of whole rows")
        body = event.packet.read(event.event_size - event.packet.read_bytes)
        bitmaps = packed_bitmaps(event)
        definition = event.table_map[event.table_id]
        noted: dict[tuple[str, ...], dict[int | None, dict[Key, None]]] = {}
        for watch in self._watches:
            table = watch.tables.get(event.table)
            if table is None:
                continue
            # Two moves may know one table by different keys only in theory; each kind is read once.
            kind = (*table.key, "", table.shop_column or "")
            if kind not in noted:
                plan = self._plan(event.table_id, definition, table, kind)
                noted[kind] = {}
                for shop_id, key in plan.touched(body, bitmaps):
                    noted[kind].setdefault(shop_id, {})[key] = None
            whose = watch.shop_id if table.shop_column else None
            if keys := noted[kind].get(whose):
                watch.note(event.table, keys)

    def _plan(self, table_id: int, definition: Any, table: MovedTable, kind: tuple[str, ...]) -> Plan:
        known = self._plans.get((table_id, kind))
        if known is None or known[0] is not definition:
            known = self._plans[table_id, kind] = (definition, Plan(table, definition.columns))
        return known[1]

    def _hear(self, statement: str, schema: str) -> None:
        self._in_transaction = not ends_transaction(statement)
        for watch in list(self._watches):
            saying, table = said(statement, schema, self._schema, watch.tables)
            if saying is Saying.CHANGES_TABLE:
                watch.fail(_again(TableAltered(self.pod_id, table, _short(statement))))
                self.let_go(watch)
            elif saying is Saying.CHANGES_ROWS:
                what = f"a statement instead of rows: {_short(statement)}"
                watch.fail(_again(LogUnfit(self.pod_id, str(self._position), what)))
                self.let_go(watch)

    def _entered(self) -> None:
        self._in_transaction = False
        self._stream.table_map = {}
        self._plans = {}

    def _advance(self, event: Any) -> None:
        here = Position(str(self._stream.log_file), int(self._stream.log_pos))
        if here.file == self._position.file and here.offset < self._position.offset:
            if not isinstance(event, (RotateEvent, FormatDescriptionEvent, HeartbeatLogEvent)):
                raise Unfit("more bytes than a position in it can count (4 GiB in one file)")
            return
        if not self._in_transaction:
            self._position = here
            for watch in self._watches:
                watch.reach(here)

    def _lost(self, error: pymysql.Error) -> PodworkError:
        code, words = (*error.args, "", "")[:2]
        if code == _READ_ERROR:
            return LogLost(self.pod_id, str(self._position), str(words))
        return StreamEnded(self.pod_id, str(words or error))


def _again(error: PodworkError) -> Callable[[], PodworkError]:
    """Raised by whoever asks, perhaps several times: with the same words."""
    return lambda: error


def _short(statement: str) -> str:
    words = " ".join(statement.split())
    return words if len(words) <= 120 else f"{words[:117]}..."


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
