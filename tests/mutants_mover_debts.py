"""The guards of debts (`debts.*` of the protocol) and of what keeps migrations out of cut-overs, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_JOINED = "pods/podwork_pods/mover/joined"
_RUNS = "pods/podwork_pods/iteration"
_TESTS = "tests/contract/test_mover_debts.py"
_MIGRATIONS = "tests/contract/test_mover_debts_migrations.py"

Guard = tuple[str, str, str, str, str]


def _debt(name: str, file: str, guard: str, broken: str, test: str) -> Guard:
    return (f"debts: {name}", f"{_JOINED}/{file}.py", guard, broken, f"{_TESTS}::{test}")


def _run(name: str, file: str, guard: str, broken: str, test: str) -> Guard:
    return (f"debts: {name}", f"{_RUNS}/{file}.py", guard, broken, f"{_TESTS}::{test}")


def _migration(name: str, file: str, guard: str, broken: str) -> Guard:
    return (f"transit: {name}", file, guard, broken, _MIGRATIONS)


GUARDS: list[Guard] = [
    _debt(
        "batches are waited for (debts.lock)",
        "pod_runs",
        "found = connection.execute(query.with_for_update()).all()\n        # Then",
        "found = connection.execute(query).all()\n        # Then",
        "test_the_cut_waits_for_batches_that_are_under_way",
    ),
    (
        "debts: a batch asks whom it leaves out",
        f"{_RUNS}/batch.py",
        "shard.left_out.task(connection, opened) if leaves_out else opened.task",
        "opened.task",
        f"{_TESTS}::test_what_began_while_the_shop_was_on_its_way_is_owed_whole",
    ),
    _debt(
        "the target first (debts.first)",
        "debts",
        "            left_out.add(connection, self._shop_id, {left_out.ANY})\n        reach(",
        "        reach(",
        "test_what_began_while_the_shop_was_on_its_way_is_owed_whole",
    ),
    _debt(
        "the source from the cut on (debts.source)",
        "debts",
        "            else:\n                left_out.add(connection, self._shop_id, {left_out.ANY})\n",
        "",
        "test_what_began_while_the_shop_was_on_its_way_is_owed_whole",
    ),
    _debt(
        "what is not done becomes the shop's (debts.own)",
        "owing",
        "            self._make(mine, owed)\n",
        "            pass\n",
        "test_what_the_sources_run_has_not_done_becomes_a_run_of_the_shop",
    ),
    _debt(
        "only what is not done",
        "owing",
        "else Slice(part.cursor, part.slice.upto)",
        "else part.slice",
        "test_what_the_sources_run_has_not_done_becomes_a_run_of_the_shop",
    ),
    _debt(
        "all of what only the target has",
        "owing",
        "            if is_owed_there(model):\n                self._make(model, ())\n",
        "            pass\n",
        "test_a_backfill_that_only_the_target_has_had_is_owed_whole",
    ),
    _debt(
        "the target knows of it (debts.group)",
        "debts",
        "            left_out.add(connection, self._shop_id, cut)\n",
        "            pass\n",
        "test_a_backfill_that_begins_later_leaves_the_shop_out_too",
    ),
    _debt(
        "and the source (debts.group)",
        "debts",
        "            left_out.add(connection, self._shop_id, groups - {left_out.ANY})\n",
        "",
        "test_what_the_sources_run_has_not_done_becomes_a_run_of_the_shop",
    ),
    _debt(
        "what began meanwhile (debts.last)",
        "owing",
        "                return False\n            self._make(model, ())\n",
        "                return False\n",
        "test_what_began_while_the_shop_was_on_its_way_is_owed_whole",
    ),
    _debt(
        "settled once",
        "debts",
        "            if was_out or not is_last:",
        "            if True:",
        "test_a_move_that_ends_before_it_has_begun_owes_nothing",
    ),
    _debt(
        "kept rows stay left out",
        "debts",
        "            if not is_kept:\n                left_out.lift",
        "            if True:\n                left_out.lift",
        "test_kept_rows_are_left_out_until_they_are_purged",
    ),
    _debt(
        "the pod sees the shop again",
        "debts",
        "            if is_last:\n                left_out.lift(connection, self._shop_id)\n",
        "            if is_last:\n",
        "test_a_move_that_is_given_up_leaves_no_row_undone",
    ),
    _debt(
        "what is in quarantine",
        "owing",
        "            *(Slice(cursor_of(after), cursor_of(last)) for after, last in self._connection.execute(items)),\n",
        "",
        "test_what_stands_in_quarantine_is_owed",
    ),
    _debt(
        "a pause is kept",
        "owing",
        "        if model.state in _RESTS:",
        "        if False:",
        "test_a_paused_run_owes_a_paused_run",
    ),
    _debt(
        "what was ended is not owed",
        "pod_runs",
        "        if run.state not in GIVEN_UP and",
        "        if",
        "test_a_cancelled_run_owes_nothing",
    ),
    _debt(
        "who cannot leave out is named",
        "debts",
        "                    raise GivesUp(what)",
        "                    pass",
        "test_a_run_that_cannot_leave_out_shops_is_named",
    ),
    _debt(
        "a late mover writes nothing",
        "debts",
        "if later is not None and later > mover:",
        "if False:",
        "test_a_late_mover_writes_nothing",
    ),
    _debt(
        "under the shop's fence (debts.fence)",
        "debts",
        "            if epoch is not None:\n                self._fence",
        "            if False:\n                self._fence",
        "test_a_shop_that_was_switched_is_not_cut_any_more",
    ),
    _debt(
        "a migration is given way to",
        "debts",
        "            if migration:\n                raise GivesWay",
        "            if False:\n                raise GivesWay",
        "test_a_cut_over_gives_way_to_a_migration",
    ),
    _run(
        "a batch leaves shops out",
        "left_out",
        "opened.task._replace(collection=apart)",
        "opened.task",
        "test_kept_rows_are_left_out_until_they_are_purged",
    ),
    _run(
        "of all groups",
        "shop_rows",
        "or_(left_out.c.group_id == ANY, left_out.c.group_id == group)",
        "left_out.c.group_id == ANY",
        "test_a_backfill_that_begins_later_leaves_the_shop_out_too",
    ),
    _run(
        "who cannot, waits",
        "left_out",
        "before the next batch\n            return None",
        "before the next batch\n            return opened.task",
        "test_a_run_that_cannot_leave_out_shops_does_no_batch",
    ),
    _run(
        "a range is the job's affair",
        "shop_rows",
        "or declared.form is Form.EACH_RANGE",
        "",
        "test_a_run_that_cannot_leave_out_shops_is_named",
    ),
    _run(
        "the shop's run is the shop's only",
        "shop_rows",
        "collection.narrowed(whose.only(run.shop_id))",
        "collection",
        "test_a_move_that_is_given_up_leaves_no_row_undone",
    ),
    _run(
        "the shop's run works under its fence (debts.fence)",
        "shard",
        "        if shop_id is None:\n            from",
        "        if True:\n            from",
        "test_the_shops_run_works_under_its_fence",
    ),
    _run(
        "the keeper leaves alone what is not here",
        "keeper",
        "if run.shop_id not in away]",
        "]",
        "test_runs_of_shops_that_are_not_here_are_left_alone",
    ),
    _migration(
        "a migration waits",
        "migrations_runner/podwork_migrations/runner/runner.py",
        "            if shops := standstill.shops_in_transit(connection):\n",
        "            if shops := []:\n",
    ),
    _migration(
        "so does a person",
        "migrations_runner/podwork_migrations/ledger/ledger.py",
        "            if shops:\n                raise self._conflict",
        "            if False:\n                raise self._conflict",
    ),
    _migration(
        "a shop gives way",
        "migrations_runner/podwork_migrations/ledger/ledger.py",
        "                standstill.begin_migration(connection, entry.version)",
        "                pass",
    ),
    _migration(
        "the end of it is told",
        "migrations_runner/podwork_migrations/ledger/ledger.py",
        "            standstill.end_migration(connection)",
        "            pass",
    ),
    _migration(
        "a shop says nothing against a migration",
        "pods/podwork_pods/standstill.py",
        "    if not migration:\n        leave_transit",
        "    if True:\n        leave_transit",
    ),
    _migration(
        "ledgers are compared",
        "migrations_runner/podwork_migrations/apart.py",
        "if entry.state.counts_as_done and not is_done and not is_open:",
        "if False:",
    ),
    _run(
        "people's orders pass the fence",
        "control",
        "                    _hold_open(connection, run_id)\n",
        "",
        "test_people_order_a_shops_run_only_where_the_shop_is",
    ),
    _run(
        "what a shop owes itself is not redone",
        "redoing",
        "            portion = None if now is None else _find(now, connection, item)",
        "            portion = _find(task, connection, item)",
        "test_an_item_of_a_shop_that_is_left_out_stays_in_quarantine",
    ),
]
