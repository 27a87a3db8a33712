"""The guards of operators' commands that promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_CLI = "ops/podwork_ops/cli"
_ENGINE = "platform/podwork"
_QUEUES = "tests/acceptance/test_cli_queues.py"
_HOLDS = "tests/acceptance/test_cli_holds.py"
_PROCESSES = "tests/acceptance/test_cli_processes.py"
_TOP = "tests/acceptance/test_cli_top.py"
_FRAME = "tests/unit/test_cli_top.py"
_SCOPE = "tests/unit/test_cli_scope.py"
_VALUES = "tests/unit/test_cli_values.py"
_SETTINGS = "tests/unit/test_engine_settings.py"
_OCCUPANCY = "tests/integration/test_engine_occupancy.py"
_COUNTED = f"{_QUEUES}::test_purging_ends_what_waits_and_was_counted"
_LATE = f"{_QUEUES}::test_purging_leaves_alone_what_came_or_started_after_the_count"
_TYPED = f"{_QUEUES}::test_purging_asks_for_the_name_and_a_wrong_one_ends_nothing"
_YES = f"{_HOLDS}::test_everything_is_held_only_after_a_yes"
_ALL = f"{_PROCESSES}::test_all_of_a_pod_are_told_and_stopping_all_needs_a_yes"
_SCREEN = f"{_TOP}::test_the_screen_shows_everything_and_is_left_as_it_was"

Guard = tuple[str, str, str, str, str]


def _cli(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"podctl {module}: {name}", f"{_CLI}/{module}.py", guard, broken, tests)


def _engine(module: str, name: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"{module}: {name}", f"{_ENGINE}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _cli("purging", "a dry run ends nothing", 'if found["jobs"] and not dry_run:', 'if found["jobs"]:', _COUNTED),
    _cli("purging", "what has started goes on", "Filter(states=(state,), queue=queue)", "Filter(states=(state, 'held'), queue=queue)", _LATE),
    _cli("purging", "only this queue", "Filter(states=(state,), queue=queue)", "Filter(states=(state,))", _COUNTED),
    _cli("session", "the name is typed", "err=True) != word:", "err=True) == 'no':", _TYPED),
    _cli("session", "--confirm says the name", "if given == word:", "if given:", _COUNTED),
    _cli("holds", "everything needs a yes", "if scope.is_everything and not dry_run:", "if False:", _YES),
    _cli("process_orders", "stopping all needs a yes", 'if everyone and order == "stop" and chosen and not dry_run:', "if False:", _ALL),
    _cli("process_orders", "a dry run tells nobody", "if not dry_run:\n                _tell", "if True:\n                _tell", _PROCESSES),
    _cli("process_targets", "one name, one process", "if len(fitting) > 1:", "if False:", _ALL),
    _cli("process_targets", "whole words", 'f"{incarnation}:".startswith(f"{name}:")', "incarnation.startswith(name)", _SCOPE),
    _cli("pod_options", "all pods are never implied", "if pod_id is None and not all_pods:", "if False:", f"{_QUEUES}::test_a_mistake_is_one_line_with_a_remedy"),
    _cli("values", "names of queues", "if not QUEUE_NAME.fullmatch(str(value)):", "if False:", _VALUES),
    _cli("values", "names of classes", "if not JOB_NAME.fullmatch(str(value)):", "if False:", _VALUES),
    _cli("values", "each queue once, whatever its weight", "if len(set(names)) < len(names):", "if len(set(queues)) < len(queues):", _VALUES),
    _cli("top_frame", "counters that begin anew", "return None if grown < 0 else", "return", _FRAME),
    _cli("top_frame", "old looks are not shown as new", "if glance.now is None or glance.error is not None:\n        return []", "if glance.now is None:\n        return []", _FRAME),
    _cli("keyboard", "the terminal is set back", "termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)", "pass", _SCREEN),
    _engine("settings", "each queue once, whatever its weight", "if len(set(names)) < len(names):", "if len(set(queues)) < len(queues):", _SETTINGS),
    _engine("obedience", "heard", "heard = self.unheard == 0", "heard = True", _OCCUPANCY),
    _engine("obedience", "quiet is what it says", '"quiet": self.quiet', '"quiet": heard', _OCCUPANCY),
    _engine("occupancy", "a hold on a class is not complete", 'return Stopped(int(parked or 0), False)', 'return Stopped(int(parked or 0), True)', _OCCUPANCY),
    _engine("occupancy", "slots that were let in count", "for keys_of_one in granted for", "for keys_of_one in [] for", _OCCUPANCY),
]  # fmt: skip
