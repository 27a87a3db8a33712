"""The guards of the online copy that its promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "migrations_runner/podwork_migrations/copy"
_COPY = "tests/contract/test_migrations_copy.py"
_FOUND = "tests/contract/test_migrations_copy_found.py"
_WRITERS = "tests/contract/test_migrations_copy_writers.py"
_PARALLEL = "tests/contract/test_migrations_copy_parallel.py"
_VALUES = "tests/contract/test_migrations_copy_values.py"
_KILLS = "tests/crash/test_migrations_copy_kills.py"
_RUNS = "tests/unit/test_migrations_copy_runs.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str = _COPY) -> Guard:
    return (f"copy: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _code("rows are copied under a lock", "chunks", 'text(f"{session} INSERT INTO {chosen} LOCK IN SHARE MODE")', 'text(f"{session} INSERT INTO {chosen}")', _WRITERS),
    _code("no lock is waited for", "chunks", "SET STATEMENT innodb_lock_wait_timeout = 0, sql_mode", "SET STATEMENT innodb_lock_wait_timeout = 50, sql_mode", _FOUND),
    _code("what a trigger has written is left", "chunks", "if _code(error) != _DUPLICATE:", "if True:", _WRITERS),
    _code("a key of 0", "triggers", "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,", "STRICT_ALL_TABLES,"),
    _code("dates of zeros", "triggers", ",ALLOW_INVALID_DATES", ",NO_ZERO_DATE"),
    _code("values that do not fit are faults", "triggers", "STRICT_ALL_TABLES,NO", "NO", _FOUND),
    _code("the row is read again", "triggers", "ELSEIF NOT EXISTS ({still}) THEN", "ELSE", _WRITERS),
    _code("a key that differs by its case", "triggers", " or theirs in self.text_keys", ""),
    _code("duplicates are latched", "triggers", "1054, 1062, 1136", "1054, 1136", _FOUND),
    _code("a missing target is no error", "triggers", 'f"DECLARE CONTINUE HANDLER FOR {_MISSING} BEGIN END; "', 'f""'),
    _code("triggers before the copy", "abort", "    journal.drop_triggers(names.forward)\n    journal.drop_triggers(names.reverse)\n", "", _COPY),
    _code("the run is ended first", "abort", "        return False\n    journal", "        pass\n    journal", _COPY),
    _code("only what is named", "build", 'if form is None or taken:', "if form is None:", _FOUND),
    _code("refused before it is touched", "build", "        if refusals := copy_refusals(connection, table):\n            raise CopyRefused(table, refusals)\n", "", _FOUND),
    _code("refused by its form", "build", "    if refusals := change_refusals(form, copy, journal.work.migration.renames):\n        raise CopyRefused(table, refusals)\n", "", _FOUND),
    _code("a trigger is made anew", "build", "if found == mirror.body(event):", "if found is not None:", _KILLS),
    _code("faults before the cut-over", "cutover", "    if (why := not_taken(journal)) is not None:\n        return why\n    with", "    with", _FOUND),
    _code("faults while a run is under way", "applier", "            return cutover.not_taken(journal)\n", "            return None\n", _FOUND),
    _code("the catalogue while a run is under way", "applier", "if stands.is_under_way and time.monotonic() < due_at:", "if stands.is_under_way:", _FOUND),
    _code("a run that has ended is looked at closely", "applier", "if stands.is_under_way and time.monotonic() < due_at:", "if time.monotonic() < due_at:", _FOUND),
    _code("faults of the last moment", "applier", "        if (why := cutover.regret(journal)) is not None:\n            return self._give_up(journal, why)\n", "", _FOUND),
    _code("what a person has to decide", "cutover", "    if since := journal.faults(names.old):\n", "    if since := []:\n", _FOUND),
    _code("what was written since the last moment", "cutover", "    make_triggers(journal, reverse(journal, changed(journal)), names.reverse)\n", "    if journal.work.migration.hold_hours > 0:\n        make_triggers(journal, reverse(journal, changed(journal)), names.reverse)\n", _FOUND),
    _code("nothing is taken back of nothing", "applier", "        if journal.goes_back:\n", "        if work.direction is Direction.DOWN and journal.began is Direction.UP:\n"),
    _code("what is done is not begun again", "applier", "Stage.DONE: self._stay,", "Stage.DONE: self._begin,"),
    _code("done, and to be taken back", "revert", '    if stage == "done":', "    if False:"),
    _code("a person who is quicker", "applier", "            cutover.regret(journal)  # a person was quicker", "            pass", _FOUND),
    _code("the last moment of a way back", "revert", "    if faults := journal.faults(names.old):  # written", "    if faults := []:  # written", _FOUND),
    _code("whose fault it is", "triggers", "255), '{self.target}'); END;", "255), '{self.on}'); END;", _FOUND),
    _code("the table that was copied", "cutover", "if source_note(journal, both.table) != journal.source:", "if False:", _FOUND),
    _code("triggers before the cut-over", "cutover", "if not are_there(connection, forward(journal, both), journal.names.forward):", "if False:", _FOUND),
    _code("an answer that was lost", "cutover", "    if place is Where.AFTER:\n        return None\n", "", _KILLS),
    _code("numbers go on", "cutover", "if (both.copy.next_number or 0) < (both.table.next_number or 0):", "if False:"),
    _code("writers outside", "cutover", "    with writers_outside(journal, table, first_seconds):\n        journal.ddl", "    if True:\n        journal.ddl", _WRITERS),
    _code("locks are not waited for", "journal", "        if not is_done and (wait_seconds or self.waits):", "        if not is_done:", _FOUND),
    _code("a difference is one", "verify", "        if theirs != ours:\n", "        if False:\n", _FOUND),
    _code("spans without a gap", "job", "check(self.session.connection(), lo or None, hi)", "check(self.session.connection(), hi, hi)", _FOUND),
    _code("rows that only the copy has", "verify", "for table, index in ((params.table, params.table_index), (params.copy, params.copy_index))", "for table, index in ((params.table, params.table_index),)", _FOUND),
    _code("nulls differ from nothing", "verify", "if theirs.is_nullable or ours.is_nullable:", "if False:", _VALUES),
    _code("a part ends", "parts", 'conditions += [self._key.bound("", "<=", "upto")] if has_upto else []', 'conditions += ["(:upto0 + :upto1 IS NOT NULL)"] if has_upto else []', _PARALLEL),
    _code("a counter has one job", "job", 'return 1 if params.get("counter") else _JOBS', "return _JOBS", _PARALLEL),
    _code("a way back that is closed", "revert", "    if faults := journal.faults(names.old):\n", "    if faults := []:\n"),
    _code("the way back compares", "applier", "        if stands.is_lost:\n            raise journal.failed(f\"the way back is closed: {stands.reason}\")\n        if not stands.has_succeeded:\n            return _waiting(Stage.BACK_COMPARING, stands)\n", ""),
    _code("looked at soon", "runs", "max(FIRST_LOOK_SECONDS, age_seconds * AGE_SHARE)", "LOOK_SECONDS", _RUNS),
    _code("looked at ever more seldom", "runs", "min(LOOK_SECONDS, max(FIRST_LOOK_SECONDS, age_seconds * AGE_SHARE))", "FIRST_LOOK_SECONDS", _RUNS),
    _code("a clock that was set back", "runs", "max(FIRST_LOOK_SECONDS, age_seconds * AGE_SHARE)", "age_seconds * AGE_SHARE", _RUNS),
    _code("by its age", "runs", "age_seconds = work.shard.clock.now() - run.created", "age_seconds = 0.0"),
    _code("the wait for its run", "applier", "wait_seconds=stands.look_again_seconds", "wait_seconds=LOOK_SECONDS"),
    _code("one try after the other", "applier", 'if entry.stage == f"{Stage.ABORTED}.{entry.attempts}":', "if False:", _FOUND),
    _code("the same change in two rows", "verify", " * {ODD}\"", "\"", "tests/contract/test_migrations_copy_parallel.py"),
    _code("smaller types", "refusals", "        elif not widens(old, new):", "        elif False:", _FOUND),
    _code("unique keys are not added", "refusals", "if index.unique and not any(columns <= set(index.columns) for columns in had):", "if False:", _FOUND),
]  # fmt: skip
