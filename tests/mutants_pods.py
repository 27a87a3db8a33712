"""The guards of `podwork_pods` that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_PODS = "pods/podwork_pods"
_FENCE = "tests/contract/test_pods_fence.py"
_DIRECTORY = "tests/contract/test_pods_directory.py"
_REGISTRY = "tests/contract/test_pods_registry.py"
_ROUTING = "tests/contract/test_pods_routing.py"
_CACHE = "tests/unit/test_pods_cache.py"
_TRANSACTION = "tests/integration/test_pods_transaction.py"
_UNBROKEN = "tests/integration/test_pods_unbroken.py"
_NUMBERS = "tests/contract/test_pods_shop_numbers.py"
_STALE = "tests/crash/test_pods_stale_epoch.py"
_POD = "tests/unit/test_pods_pod.py"
_TOPOLOGY = "tests/integration/test_pods_topology.py"
_ZOOKEEPER = "tests/integration/test_pods_zookeeper.py"

Guard = tuple[str, str, str, str, str]


def _fence(name: str, guard: str, broken: str, tests: str = _FENCE) -> Guard:
    return (f"fence: {name}", f"{_PODS}/fence.py", guard, broken, tests)


def _switch(name: str, guard: str, broken: str) -> Guard:
    return (f"directory: {name}", f"{_PODS}/directory/switch.py", guard, broken, _DIRECTORY)


def _cache(name: str, guard: str, broken: str) -> Guard:
    return (f"cache: {name}", f"{_PODS}/cache.py", guard, broken, _CACHE)


GUARDS: list[Guard] = [
    _fence("epoch", "found_epoch != epoch or ", ""),
    _fence("epoch, in transactions", "found_epoch != epoch or ", "", _TRANSACTION),
    _fence("an old epoch only", "found_epoch != epoch", "found_epoch > epoch"),
    _fence("moved", " or state == FenceState.MOVED", ""),
    _fence("not open", "if state != FenceState.OPEN:", "if False:"),
    _fence("not open, in transactions", "if state != FenceState.OPEN:", "if False:", _TRANSACTION),
    _fence("shared lock", " LOCK IN SHARE MODE", ""),
    _fence("truth before introducing", "if truth != Route", "if False and truth != Route"),
    _fence("introduce never overwrites", '"mysql": "IGNORE"', '"mysql": "", "x": ""'),
    _fence("introduce never overwrites (SQLite)", '"OR IGNORE"', '"OR REPLACE"'),
    _fence("a lock that is waited for too long", "if is_lock_timeout(error):\n                raise ShopMoving", "if False:\n                raise ShopMoving"),
    _fence("change: epoch", ".where(table.c.epoch == epoch)", ""),
    _fence("change: state", "        table.c.state.in_(FENCE_WAYS[to_state]),\n", ""),
    _fence("change: mover", "        table.c.mover_epoch <= mover_epoch,\n", ""),
    _fence("change: refused", "if changed != 1:", "if False:"),
    _fence("change: lock budget", "innodb_lock_wait_timeout={lock_wait_seconds}", "innodb_lock_wait_timeout=30"),
    _fence("change: lock budget (SQLite)", "connection.info[LOCK_WAIT_SECONDS] = lock_wait_seconds", "pass"),
    _switch("compare the pod", "            _SHOPS.c.pod_id == expected.pod_id,\n", ""),
    _switch("compare the epoch", "            _SHOPS.c.epoch == expected.epoch,\n", ""),
    _switch("the shop", "            _SHOPS.c.shop_id == shop_id,\n", ""),
    _switch("the epoch grows", "expected.epoch + 1", "expected.epoch"),
    _switch("compare the extent", "or locate(connection, shop_id) != expected", ""),
    _switch("a number not handed out", " and covering.is_given_out", ""),
    ("directory: order of the log", f"{_PODS}/directory/changes.py", "row.with_for_update()", "row", _DIRECTORY),
    (
        "directory: order of the log, writes first",
        f"{_PODS}/engines.py",
        'connection.execute("BEGIN IMMEDIATE")',
        'connection.execute("BEGIN")',
        _DIRECTORY,
    ),
    (
        "directory: numbers are handed out once",
        f"{_PODS}/directory/allocation.py",
        ".where(_TABLE.c.pod_id == pod_id).with_for_update()",
        ".where(_TABLE.c.pod_id == pod_id)",
        _DIRECTORY,
    ),
    (
        "directory: an extent is opened once",
        f"{_PODS}/directory/allocation.py",
        "        changes.lock(connection)\n",
        "",
        "tests/crash/test_pods_directory.py",
    ),
    (
        "directory: numbers above assigned shops",
        f"{_PODS}/directory/assignment.py",
        "extents.keep_above(connection, max(pod_of))",
        "pass",
        _DIRECTORY,
    ),
    _cache("older epochs", "if known is None or route.epoch > known.epoch:", "if True:"),
    _cache("older epochs, in routing", "route.epoch > known.epoch", "route.epoch >= known.epoch"),
    _cache("bound", "if len(self._young) >= self._generation_shops and shop_id not in self._young:", "if False:"),
    _cache("a newer answer wins", "is_newer = now is not None and", "is_newer = False and now is not None and"),
    _cache("position before the truth", "self._position = changes[-1].seq", "self._position = changes[0].seq + 1"),
    _cache("the lock of a fork", "        self._lock = threading.Lock()\n        self._ticker = None\n        self._old", "        self._ticker = None\n        self._old"),
    _cache("the thread of a fork", "        self._ticker = None\n        self._old", "        self._old"),
    ("routing: a later epoch asks the truth", f"{_PODS}/routing.py", " or route.epoch < epoch", "", _ROUTING),
    ("routing: another pod asks the truth", f"{_PODS}/routing.py", "route.pod_id != self._pod_id or route", "route", _ROUTING),
    ("routing: another pod is stale", f"{_PODS}/routing.py", "if route.pod_id != self._pod_id:\n            raise", "if False:\n            raise", _ROUTING),
    ("transaction: every beginning is checked", f"{_PODS}/transaction.py", "if not transaction.nested:", "if not transaction.nested and not session.info.setdefault('seen', []) and not session.info['seen'].append(1):", _TRANSACTION),
    ("transaction: the job's epoch", f"{_PODS}/transaction.py", "if job is not None and job.shop_id == shop_id:", "if False:", _TRANSACTION),
    ("transaction: shops of the job's pod only", f"{_PODS}/transaction.py", "if job is not None and route.pod_id != job.pod_id:\n        raise", "if False:\n        raise", _TRANSACTION),
    ("transaction: one more try after a stale memory", f"{_PODS}/transaction.py", "if fresh == route:", "if True:", _TRANSACTION),
    ("transaction: rolled back", f"{_PODS}/transaction.py", "            else:\n                session.close()", "            else:\n                session.commit()", _TRANSACTION),
    ("transaction: closed for good", f"{_PODS}/transaction.py", ", close_resets_only=False", "", _UNBROKEN),
    ("transaction: enclosed", f"{_PODS}/transaction.py", "        unbroken.enclose(connection, session.shop_id)\n", "", _UNBROKEN),
    ("transaction: a job that slept through a move", f"{_PODS}/fence.py", "found_epoch != epoch or state == FenceState.MOVED", "False", _STALE),
    ("transaction: a child does not commit", f"{_PODS}/transaction.py", "            if session.is_inherited:\n                raise", "            if False:\n                raise", _UNBROKEN),
    ("transaction: a child does not roll back", f"{_PODS}/transaction.py", "            if session.is_inherited:\n                abandon", "            if False:\n                abandon", _UNBROKEN),
    ("directory: a lock that is waited for too long", f"{_PODS}/directory/directory.py", "if is_lock_timeout(error):", "if False:", "tests/crash/test_pods_directory.py"),
    ("connections: overtaken while making tables", f"{_PODS}/engines.py", "tries_left and is_already_there(error)", "False", _TOPOLOGY),
    ("unbroken: undone by an error", f"{_PODS}/unbroken.py", "context.is_disconnect = True", "pass", _UNBROKEN),
    ("unbroken: errors that leave it open", f"{_PODS}/unbroken.py", " and not _is_still_open(connection)", "", _UNBROKEN),
    ("unbroken: the database is asked", f"{_PODS}/unbroken.py", 'cursor.execute("DO 0")', "pass", _UNBROKEN),
    ("unbroken: ended by a statement", f"{_PODS}/unbroken.py", "if not in_transaction(connection.connection.dbapi_connection):", "if False:", _UNBROKEN),
    ("unbroken: nothing after it", f"{_PODS}/unbroken.py", "        connection.invalidate()\n", "", _UNBROKEN),
    ("unbroken: autocommit", f"{_PODS}/unbroken.py", '== "AUTOCOMMIT"', '== "nothing"', _UNBROKEN),
    ("connections: watched", f"{_PODS}/connections.py", "        unbroken.watch(engine)\n", "", _UNBROKEN),
    ("connections: a dropped one is rolled back", f"{_PODS}/engines.py", "        connection.info[_OPEN] = True", "        pass", _UNBROKEN),
    ("connections: a silent server", f"{_PODS}/engines.py", '"read_timeout": settings.read_timeout_seconds', '"read_timeout": 30.0', _UNBROKEN),
    ("directory: numbers of shops", f"{_PODS}/directory/extents.py", "if type(shop_id) is not int or not 0 <= shop_id <= LARGEST_SHOP_ID:", "if False:", _NUMBERS),
    ("directory: the largest number", f"{_PODS}/directory/extents.py", "min(shop_id + 1, LARGEST_SHOP_ID)", "shop_id + 1", _NUMBERS),
    ("directory: the largest extent", f"{_PODS}/directory/extents.py", " <= last_id <= LARGEST_SHOP_ID", " <= last_id", _NUMBERS),
    ("directory: its URL", f"{_PODS}/directory/directory.py", "if flaw is not None:", "if False:", _TOPOLOGY),
    ("registry: its URL (ZooKeeper)", f"{_PODS}/registry/zookeeper.py", "if not all(_SERVER", "if False and not all(_SERVER", _TOPOLOGY),
    ("masking: a slash in a password", f"{_PODS}/masking.py", "([^/]*|.*)@", "([^/]*)@", _POD),
    ("masking: an @ in a query", f"{_PODS}/masking.py", """_USER_PART.sub(rf"\\1:{MASK}@", _QUERY_PASSWORD.sub(rf"\\1={MASK}", url))""", """_QUERY_PASSWORD.sub(rf"\\1={MASK}", _USER_PART.sub(rf"\\1:{MASK}@", url))""", _POD),
    ("pods: size of labels", f"{_PODS}/pod.py", "if size_bytes > LABELS_BYTES_LIMIT:", "if False:", _POD),
    ("pods: names of labels", f"{_PODS}/pod.py", "_LABEL.fullmatch(name)", "_LABEL.match(name)", _POD),
    ("pods: Redis's port", f"{_PODS}/pod.py", " or not _has_usable_port(self.redis_url)", "", _POD),
    ("connections: per process", f"{_PODS}/per_process.py", "        self._value = None\n        self._lock = threading.Lock()\n\n    def _first", "        self._lock = threading.Lock()\n\n    def _first", _TOPOLOGY),
    ("connections: READ COMMITTED", f"{_PODS}/engines.py", '"AUTOCOMMIT" if autocommit else "READ COMMITTED"', '"AUTOCOMMIT" if autocommit else "REPEATABLE READ"', _TOPOLOGY),
    ("connections: passwords", f"{_PODS}/pod.py", '"shard_url": mask_url(self.shard_url)', '"shard_url": self.shard_url', "tests/unit/test_pods_pod.py"),
    ("registry: version (SQLite)", f"{_PODS}/registry/embedded.py", ", pods_table.c.version == pod.version", "", _REGISTRY),
    ("registry: version (ZooKeeper)", f"{_PODS}/registry/zookeeper.py", "if stat.mzxid != pod.version:", "if False:", _REGISTRY),
    ("registry: version at the write (ZooKeeper)", f"{_PODS}/registry/zookeeper.py", "pod.to_record(), stat.version)", "pod.to_record(), -1)", _REGISTRY),
    ("registry: expiry (SQLite)", f"{_PODS}/registry/embedded.py", ", workers_table.c.expires_at > time.time())", ")", _REGISTRY),
    ("registry: ephemeral (ZooKeeper)", f"{_PODS}/registry/zookeeper.py", "ephemeral=True", "ephemeral=False", _REGISTRY),
    ("registry: a name taken over (ZooKeeper)", f"{_PODS}/registry/zookeeper.py", "stat.ephemeralOwner == client.client_id[0]", "True", _ZOOKEEPER),
    ("registry: presence after LOST", f"{_PODS}/registry/session.py", "            self._on_reconnected()\n", "", _ZOOKEEPER),
    ("registry: our own clock", f"{_PODS}/registry/session.py", "return since is None or time", "return True or time", _ZOOKEEPER),
    ("registry: a child leaves the parent's presence (SQLite)", f"{_PODS}/registry/embedded.py", "if self._owner != os.getpid() or self._renewed_at == 0.0:", "if self._renewed_at == 0.0:", _REGISTRY),
]  # fmt: skip
