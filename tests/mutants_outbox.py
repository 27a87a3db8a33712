"""The guards of the outbox that its promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_OUTBOX = "pods/podwork_pods/outbox"
_SCRIPTS = "platform/podwork/scripts"
_CONTRACT = "tests/contract/test_pods_outbox.py"
_RELAY = "tests/integration/test_outbox_relay.py"
_REBUILD = "tests/integration/test_outbox_rebuild.py"
_SERVICE = "tests/integration/test_outbox_service.py"
_HISTORIES = "tests/integration/test_outbox_histories.py -m not(slow)"
_CRASH = "tests/crash/test_outbox_relay.py"
_CLI = "tests/acceptance/test_cli_rebuild.py"

Guard = tuple[str, str, str, str, str]


def _script(name: str, script: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"outbox: {name}", f"{_SCRIPTS}/{script}.lua", guard, broken, tests)


def _code(name: str, module: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"outbox: {name}", f"{_OUTBOX}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _script("a late push", "relay", "if not look and redis.call('GET', RELAY) ~= token then return false end", "", _RELAY),
    _script("a late push, in histories", "relay", "if not look and redis.call('GET', RELAY) ~= token then return false end", "", _HISTORIES),
    _script("a late forgetting", "relay_forget", "if redis.call('GET', RELAY) ~= ARGV[1] then return 0 end", "", _RELAY),
    _script("a late forgetting, in histories", "relay_forget", "if redis.call('GET', RELAY) ~= ARGV[1] then return 0 end", "", _HISTORIES),
    _script("what ended of a shop on its way", "relay_forget", "if not travels(shop_of(ARGV[k])) then redis.call('SREM', ENDED, ARGV[k]) end", "redis.call('SREM', ENDED, ARGV[k])", _RELAY),
    _code("rows of a shop on its way", "arrivals", 'in ("pausing", "hold")', "in ()", _RELAY),
    _script("what has ended", "relay", "if redis.call('SISMEMBER', ENDED, id) == 1 then return 'ended' end", "", _HISTORIES),
    _script("what is here", "relay", "if is_here(shop, id) then return 'there' end", "", _HISTORIES),
    _script("what is carried", "relay", "carrier or id", "id", _RELAY),
    _script("what is carried, in histories", "relay", "carrier or id", "id", _HISTORIES),
    _script("the gate", "relay", "if refusal then return refusal[1] end", "", _RELAY),
    _script("a look", "relay", "if look then return 'stored' end", "", _REBUILD),
    _script("a look counts no batch", "relay", "if not look then answer[1]", "if true then answer[1]", _REBUILD),
    _script("a lock of its own", "relay", "if owner_of(shop, lock[1]) == id then\n", "if false then\n", _RELAY),
    _script("a job that is kept out", "relay", "  end_row(id)\n", "", _RELAY),
    _script("a content that was replaced", "parts/outbox", "if old then end_row(old) end", "", _RELAY),
    _script("a content that replaces", "parts/outbox", "  redis.call('HSET', CARRIED, new, owner)\n", "", _RELAY),
    _script("a row that hangs on another job", "parts/outbox", "return row == '1' and id or row", "return row and id", _RELAY),
    _script("ends", "parts/ending", "if extras.o then end_row(row_of(id, record)) end", "", _RELAY),
    _script("another shard's Redis", "relay_begin", "if not id or id == ARGV[2] then", "if true then", _REBUILD),
    _script("a Redis that went back", "relay_begin", "redis.call('HSET', GENERATION, 'lost', 1)", "local _", _REBUILD),
    _script("a Redis that is emptied again", "generation", "since ~= ARGV[3] or ", "", _REBUILD),
    _script("another shard's name", "generation", "if id and id ~= ARGV[1] then return id end", "", _REBUILD),
    _code("each tenure's own token", "relay", 'f"{self._name} {secrets.token_hex(8)}"', "self._name", _RELAY),
    _code("doubts", "relay", "            self._relay.resign()\n", "            pass\n", _RELAY),
    _code("mark only what is settled", "relay", " if fate in SETTLED]\n        if done:", "]\n        if done:", _RELAY),
    _code("shops that wait", "relay", "self._rows.unrelayed(BATCH_ROWS, self._waiting())", "self._rows.unrelayed(BATCH_ROWS)", _RELAY),
    _code("work without a shop does not wait", "rows", "or_(outbox.c.shop_id.is_(None), outbox.c.shop_id.not_in(without))", "outbox.c.shop_id.not_in(without)", _RELAY),
    _code("the size of a push", "relay", "if portion and size_bytes + len(row.record) > PUSH_BYTES:", "if portion and len(row.record) > 10**9:", _RELAY),
    _code("said once", "relay", "        if standing is before:\n            return\n", "", _REBUILD),
    _code("the wrong Redis", "relay", "            raise ForeignRedis(pod_id, self._arrivals.store.address)\n", "            pass\n", _REBUILD),
    _code("nothing to rebuild", "relay", "standing is Standing.EMPTIED and self._nothing_to_rebuild()", "standing is Standing.EMPTIED", _REBUILD),
    _code("a name with the pod in it", "standing", "if not named.startswith(_prefix(rows)):", "if False:", _REBUILD),
    _code("a name is kept", "rows", 'if not is_already_there(error) and "UNIQUE" not in str(error.orig):', "if True:", _REBUILD),
    _code("a Redis that is behind", "standing", "found.lost or ", "", _REBUILD),
    _code("gates: those that stand", "gates", '"HSETNX"', '"HSET"', _REBUILD),
    _code("gates: not in the middle of a move", "gates", "if route.pod_id != self._pod_id:", "if True:", _REBUILD),
    _code("gates: of moved shops", "gates", "told = or_(table.c.epoch > FIRST_EPOCH, table.c.state != FenceState.OPEN)", "told = table.c.state != FenceState.OPEN", _REBUILD),
    _code("rebuild: shops on hold", "rebuild", "if done.on_hold or self._arrivals", "if self._arrivals", _REBUILD),
    _code("rebuild: at most once", "rebuild", "bool(row.at_most_once and row.relayed) and self._once is not Once.RUN", "False", _REBUILD),
    _code("rebuild: again when overtaken", "rebuild", "            except RelaySuperseded:\n", "            except KeyError:\n", _HISTORIES),
    _code("the shop of the transaction", "writing", "if parcel.shop_id is not None and parcel.shop_id != place.shop_id:", "if False:", _CONTRACT),
    _code("the fence of the transaction", "writing", "if parcel.shop_id is not None and place.shop_id is None:", "if False:", _CONTRACT),
    _code("the pod of the transaction", "writing", "if parcel.shop_id is None and pod != place.pod_id:", "if False:", _CONTRACT),
    _code("autocommit", "place", "if _commits_by_itself(connection):", "if False:", _CONTRACT),
    _code("no transaction at all", "place", "if isinstance(transaction, Connection):", "if True:", _CONTRACT),
    _code("the tag of the outbox", "writing", ', "o": "1"})', "})", _CONTRACT),
    _code("the hint", "writing", "            self._ring(pod_id)\n", "            pass\n", _SERVICE),
    _code("the hint of a script that ends", "ringing", "        alive.close()\n", "        pass\n", _CRASH),
    _code("whoever leads", "service", "if not self.life.is_leader:", "if False:", _SERVICE),
    _code("a second look after an early hint", "service", "self._echoes = list(ECHO_SECONDS)", "self._echoes = []", _SERVICE),
    _code("an unused outbox", "service", "PATIENT_SECONDS if self._is_unused else BRISK_SECONDS", "BRISK_SECONDS", _SERVICE),
    _code("trouble with the shard", "service", "except (PodworkError, DBAPIError) as error:", "except KeyError as error:", _SERVICE),
    ("outbox: statements that commit by themselves", "pods/podwork_pods/engines.py", '"AUTOCOMMIT" if autocommit else ', "", _CONTRACT),
    ("outbox: a pod with rows is not removed", "ops/podwork_ops/cli/pods.py", "    if rows:\n", "    if False:\n", _CLI),
]  # fmt: skip
