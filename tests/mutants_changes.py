"""The guards of schema changes that their promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "migrations_runner/podwork_migrations"
_CHANGES = "tests/contract/test_migrations_changes.py"
_ROUTES = "tests/contract/test_migrations_routes.py"
_LOCKS = "tests/contract/test_migrations_locks.py"
_PRINT = "tests/contract/test_migrations_fingerprint.py"
_SAID = "tests/unit/test_migrations_recording.py"
_MANUAL = "tests/unit/test_migrations_routes.py"

Guard = tuple[str, str, str, str, str]


def _change(name: str, module: str, guard: str, broken: str, tests: str) -> Guard:
    return (f"changes: {name}", f"{_FOLDER}/change/{module}.py", guard, broken, tests)


def _print(name: str, module: str, guard: str, broken: str) -> Guard:
    return (f"fingerprint: {name}", f"{_FOLDER}/fingerprint/{module}.py", guard, broken, _PRINT)


GUARDS: list[Guard] = [
    _change("never run again", "applier", "        if not was_done(work, plan):\n            refused", "        if True:\n            refused", f"{_CHANGES}::test_killed_anywhere_it_is_done_once"),
    _change("changed by somebody else", "applier", "    if found.fingerprint == plan.before:\n        return False", "    if True:\n        return False", f"{_CHANGES}::test_what_somebody_else_changed_meanwhile_stops_the_line_with_the_difference"),
    _change("given up on its way", "applier", "        if plan.direction != work.direction:\n            return turn_round", "        if False:\n            return turn_round", f"{_CHANGES}::test_giving_up_what_was_not_done_takes_nothing_back"),
    _change("orphans are looked for", "applier", "        if plan.orphans:\n", "        if False:\n", f"{_CHANGES}::test_orphans_take_the_key_away_again"),
    _change("writers of the parent are waited for", "applier", "        wait_for_writers(work.turn, plan, budget_of(work))\n", "", f"{_CHANGES}::test_a_key_waits_for_those_who_write_its_parent"),
    _change("an unchecked key goes again", "applier", "            execute(work.turn, plan, plan.undo, budget_of(work))\n", "", f"{_CHANGES}::test_orphans_take_the_key_away_again"),
    _change("refused goes another way", "execute", "if code_of(error) in (*REFUSALS, _LOG_FULL)", "if code_of(error) in (_LOG_FULL,)", f"{_LOCKS}::test_what_the_server_refuses_after_all_goes_another_way"),
    _change("too long goes another way", "execute", "plan.deadline_seconds and code_of(error) in _TOO_LONG", "False", f"{_LOCKS}::test_what_takes_longer_than_the_budget_is_stopped_and_another_way_is_looked_for"),
    _change("a deadline is the server's", "execute", '        session["max_statement_time"] = plan.deadline_seconds\n', "        pass\n", f"{_LOCKS}::test_what_takes_longer_than_the_budget_is_stopped_and_another_way_is_looked_for"),
    _change("the budget", "patience", '"lock_wait_timeout": seconds,', '"lock_wait_timeout": 20 * seconds,', f"{_LOCKS}::test_a_transaction_that_holds_the_table_is_named_and_nobody_waits_longer_than_the_budget"),
    _change("values are not bent", "patience", "filter(None, [str(before[\"sql_mode\"]), _STRICT])", "filter(None, [str(before[\"sql_mode\"])])", f"{_CHANGES}::test_not_null_bends_no_value_whatever_the_servers_mode"),
    _change("the session is restored", "patience", "                _set(connection, before)\n", "                pass\n", _ROUTES),
    _change("a lost session is left alone", "patience", "if not connection.invalidated:", "if True:", f"{_CHANGES}::test_a_session_that_was_lost_is_not_set_as_it_was"),
    _change("literals are hidden", "blockers", '_LITERALS.sub("?", statement or "")', '(statement or "")', _MANUAL),
    _change("an idle one shows nothing", "blockers", 'without_values(info) if command != "Sleep" else ""', "without_values(info or 'x')", f"{_LOCKS}::test_the_plugin_tells_for_certain_who_holds_a_table"),
    _change("the empty table goes", "asking", "    finally:\n        _drop(connection, name)\n", "    finally:\n", _ROUTES),
    _change("the dead one's table goes", "asking", "    sweep(connection)\n    _drop(connection, name)", "    _drop(connection, name)", _ROUTES),
    _change("the living one's table stays", "asking", "if name.removeprefix(PREFIX) not in living:", "if True:", _ROUTES),
    _change("a lock is no refusal", "asking", "    try:\n        _execute(connection, statement)\n    except DBAPIError as error:\n        if is_lock_timeout(error):\n            raise\n", "    try:\n        _execute(connection, statement)\n    except DBAPIError as error:\n", _ROUTES),
    _change("an unchecked key's index goes too", "foreign_keys", "for index in after.indexes if index not in before.indexes", "for index in ()", f"{_CHANGES}::test_orphans_take_the_key_away_again"),
    _change("a frozen one lets go of the table", "execute", '{"wait_timeout": lock_budget_seconds}', "{}", f"{_LOCKS}::test_whoever_is_frozen_while_it_waits_for_the_writers_of_a_parent_is_sent_away"),
    _change("our words for a lost connection", "completing", "        with reflecting(connection):\n", "        if True:\n", f"{_CHANGES}::test_after_a_look_at_a_column_a_lost_connection_is_said_in_our_words"),
    _change("keys stay in the form", "asking", "(*kept, *became.foreign_keys)", "became.foreign_keys", f"{_CHANGES}::test_a_table_that_has_a_key_is_changed"),
    _change("what a change does not name", "completing", "op.existing_server_default is False", "False", _ROUTES),
    _change("NOT NULL is kept", "completing", "if op.existing_nullable is None:", "if False:", _ROUTES),
    _change("what would be lost is refused", "planning", "(lost := unmeant(op, answer.before, answer.after))", "(lost := [])", _ROUTES),
    _change("by hand and without effect", "planning", "if answer.before == answer.after and any(", "if False and any(", _ROUTES),
    _change("a table that is there", "planning", "            if change.table in names:\n", "            if False:\n", _ROUTES),
    _change("rows are counted", "facts", "max(int(size[0]), _count(connection, table, limits.small_rows + 1))", "0", _ROUTES),
    _change("a unique index is not copied", "routes", "    if facts.adds_unique:\n", "    if False:\n", _ROUTES),
    _change("replicas lag", "routes", "if is_small or not facts.has_replicas else", "if True else", _ROUTES),
    _change("one statement", "rendering", "    if len(tables) != 1:\n", "    if False:\n", _SAID),
    _change("keys have names", "rendering", "    if unnamed or any(", "    if any(", _SAID),
    _change("one statement by hand", "raw", "if any(token.token_type is TokenType.SEMICOLON for token in clauses):", "if False:", _SAID),
    _change("ALGORITHM by hand", "raw", '        if words[0] in ("ALGORITHM", "LOCK"):\n', "        if False:\n", _SAID),
    _change("renamed by hand", "raw", 'if words[0] == "RENAME" and', "if False and", _SAID),
    _change("nothing is run while recording", "recording", "        self.kept.append(operation)\n", "        self.kept.append(operation)\n        super().invoke(operation)\n", _SAID),
    _change("MySQL 8.0.29", "mysql", "if not (unsafe and rung[0] is Way.INSTANT)", "if True", _MANUAL),
    _change("MySQL's longer VARCHAR", "mysql", "old > _LENGTH_BYTE_ENDS or", "old > 60 or", _MANUAL),
    _change("children are not taken along", "batch_applier", "work.turn.step(foreign_keys=False)", "work.turn.step()", f"{_CHANGES}::test_sqlite_keeps_children_checks_and_indexes"),
    _change("SQLite looks first", "batch_applier", "            if is_after(work, plan, connection):\n                return Progress(DONE, done=True)\n            operations", "            operations", f"{_CHANGES}::test_killed_anywhere_it_is_done_once"),
    _change("SQLite's orphans", "batch_applier", "            if new:\n", "            if False:\n", f"{_CHANGES}::test_orphans_take_the_key_away_again"),
    _change("SQLite does what was planned", "batch_applier", "            if not is_after(work, plan, connection):\n", "            if False:\n", f"{_CHANGES}::test_sqlite_does_what_was_planned_or_nothing"),
    _change("triggers are not lost", "batch", "sorted(triggers - _names(empty, _TRIGGERS))", "()", f"{_CHANGES}::test_sqlite_refuses_to_lose_a_trigger"),
    _change("AUTOINCREMENT is kept", "batch", ", table_kwargs=_table_options(connection, table)", "", f"{_CHANGES}::test_sqlite_keeps_children_checks_and_indexes"),
    _print("own tables", "canonical", "return name.startswith(OWN_PREFIXES)", "return False"),
    _print("names made up", "mysql_tables", '"" if re.fullmatch(rf"{re.escape(table)}_ibfk_\\d+", name) else name', "name"),
    _print("the order of columns", "drift", "elif order[position] != column.name:", "elif False:"),
    _print("the first word counts", "expected", "        if known is not None:\n            return known\n", ""),
    _print("whose word is first is not replaced", "expected", "sorted(applied)", "applied"),
]  # fmt: skip
