"""A bounded selection of many cases: some are fast, the others are left to `make test-long`.

Owns: `sampled`, for the cases of one test, and `mark_others`, for whole files (`EVERY_OTHER`). Promises: of
each test some case is fast, and always the same ones; of a test with two engines, which one it is goes by
the test's name, so that a file has both.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

EVERY_OTHER: Final = frozenset(
    {
        "acceptance/test_cli_mistakes.py",
        "contract/test_migrations_changes.py",
        "contract/test_migrations_data.py",
        "contract/test_migrations_fingerprint.py",
        "contract/test_migrations_gate.py",
        "contract/test_migrations_lint.py",
        "contract/test_migrations_plans.py",
        "contract/test_migrations_routes.py",
        "contract/test_migrations_runner.py",
        "contract/test_move_plans.py",
        "contract/test_mover_debts.py",
        "contract/test_mover_moves.py",
        "contract/test_pods_collections.py",
        "contract/test_pods_iteration.py",
        "contract/test_pods_iteration_fence.py",
        "contract/test_pods_iterations.py",
        "contract/test_pods_iterations_failing.py",
        "contract/test_pods_outbox.py",
        "contract/test_pods_run_control.py",
        "crash/test_outbox_relay.py",
        "crash/test_pods_stale_epoch.py",
        "crash/test_schedules_leader.py",
        "crash/test_worker_ends.py",
        "crash/test_worker_kills.py",
        "integration/test_demo_check.py",
        "integration/test_local_servers.py",
        "integration/test_mover_disturbed.py",
        "integration/test_mover_ends.py",
        "integration/test_mover_moves.py",
        "integration/test_outbox_histories.py",
        "integration/test_outbox_relay.py",
        "integration/test_pods_transaction.py",
        "integration/test_worker_orders.py",
        "model/test_moves.py",
    }
)
"""Files that took longest: `make test` runs every other case of each of their parametrised tests."""

_TESTS: Final = Path(__file__).parents[1]


def sampled(cases: Iterable[Any], every: int) -> list[Any]:
    """Return the cases for `parametrize`, one in `every` fast, the rest marked slow."""
    return [
        case if position % every == 0 else pytest.param(*_values(case), marks=pytest.mark.slow)
        for position, case in enumerate(cases)
    ]


def mark_others(items: Iterable[pytest.Item]) -> None:
    """Mark as slow every other case of the tests of those files; of cases that are slow anyhow none."""
    tests: dict[tuple[Path, str], list[pytest.Item]] = defaultdict(list)
    for item in items:
        is_case = getattr(item, "callspec", None) is not None
        if is_case and _name(item.path) in EVERY_OTHER and item.get_closest_marker("slow") is None:
            tests[item.path, item.nodeid.partition("[")[0]].append(item)
    for (_, test), cases in tests.items():
        for item in _others(test, cases):
            item.add_marker(pytest.mark.slow)


def _others(test: str, cases: Sequence[pytest.Item]) -> list[pytest.Item]:
    first = zlib.crc32(test.rpartition("::")[2].encode()) % 2
    return [case for position, case in enumerate(cases) if (position + first) % 2 and len(cases) > 1]


def _name(path: Path) -> str:
    return path.relative_to(_TESTS).as_posix() if path.is_relative_to(_TESTS) else ""


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
