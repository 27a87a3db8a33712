"""The guards of a bulk push that promises rest on, for `tests.mutants`."""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

from typing import Final

_BUNDLE: Final = "tests/unit/test_engine_bundle.py"
_CLIENT: Final = "tests/integration/test_engine_client.py"
_ROUTES: Final = "tests/integration/test_engine_routes.py"
_STORE: Final = "tests/integration/test_engine_store.py"


def _module(name: str, label: str, guard: str, broken: str, tests: str) -> tuple[str, str, str, str, str]:
    return f"bulk: {label}", f"platform/podwork/{name}.py", guard, broken, tests


GUARDS: Final = (
    _module("bundle", "what is a shop", "not _are_shops(shops)", "False", _BUNDLE),
    _module("bundle", "options need a parcel", "not all(map(RESERVED.isdisjoint, given))", "False", _BUNDLE),
    _module("bundle", "locks need a parcel", "job_class.policy.unique is not None or ", "", _BUNDLE),
    _module("bundle", "an expiry needs a parcel", " or job_class.policy.expires_in_seconds is not None", "", _BUNDLE),
    _module("bundle", "the rows are the caller's", "[dict(row) for row in rows]", "list(rows)", _BUNDLE),
    _module("arguments", "every row fits the signature", "set(map(len, rows)) != {len(names)}", "False", _BUNDLE),
    _module("arguments", "every value has its type", "set(map(type, column)) != {", "{type(column[0])} != {", _BUNDLE),
    _module("arguments", "rows unlike one another", "self._check_values(self.bind_named(row))", "self._check_values(row)", _BUNDLE),
    _module("delivery", "a lost answer", "self._queues_of(pod_id).push(load.groups, fresh=False)", "self._queues_of(pod_id).push(load.groups, fresh=True)", _CLIENT),
    _module("delivery", "many redirects are no circle", "self._redirects += bool(self._moved)", "self._redirects += len(self._moved)", _ROUTES),
    _module("delivery", "what was refused is not counted", "if position in refused:", "if False:", _CLIENT),
    _module("store", "a lost connection loses all answers", "self._local.under_way = []  # the next", "pass  # the next", _STORE),
    _module("store", "a fork", "self._local = threading.local()\n                    self._pool = self._new_pool()", "self._pool = self._new_pool()", _STORE),
)  # fmt: skip
