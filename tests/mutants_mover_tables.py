"""The guards of tables that move, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "pods/podwork_pods/mover/tables"
_TESTS = "tests/contract/test_mover_tables_"
_UNIT = "tests/unit/test_mover_tables_declaration.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str) -> Guard:
    path = f"{_FOLDER}/{module}.py"
    file, _, test = tests.partition("::")
    where = tests if "/" in tests else f"{_TESTS}{file}.py::{test}"
    return (f"tables: {name}", path.replace("tables/../", ""), guard, broken, where)


GUARDS: list[Guard] = [
    _code("declared once", "declaration", "if table.name in found:", "if False:", _UNIT),
    _code("joined through what travels", "declaration", "if not above.moves:", "if False:", _UNIT),
    _code(
        "no circles", "declaration", "        _check_chain(table, self._by_name)\n", "        pass\n", _UNIT
    ),
    _code("parents first", "order", "max((rank(above) + 1 for above in over), default=0)", "0", _UNIT),
    _code("unchecked: itself", "order", "if name in parents[name]:", "if False:", _UNIT),
    _code("unchecked: parents", "order", "    if children:\n", "    if False:\n", _UNIT),
    _code(
        "the parent's rows are the shop's",
        "table",
        "WHERE {pairs} AND {self.parent._of_shop(above, depth + 1)})",
        "WHERE {pairs} OR {self.parent._of_shop(above, depth + 1)})",
        "catalogue::test_the_rows_of_a_shop_are_its_own_through_every_table_and_no_others",
    ),
    _code(
        "the parent's own row",
        "table",
        "WHERE {pairs} AND {self.parent._of_shop(above, depth + 1)})",
        "WHERE {self.parent._of_shop(above, depth + 1)})",
        "catalogue::test_the_rows_of_a_shop_are_its_own_through_every_table_and_no_others",
    ),
    _code(
        "generated columns are left out",
        "catalogue",
        "for column in fact.columns if not column.generated",
        "for column in fact.columns",
        "catalogue::test_tables_come_with_their_key_their_columns_and_their_parents_first",
    ),
    _code(
        "numbers of the target",
        "catalogue",
        "if column.name not in own.given",
        "if True",
        "catalogue::test_podworks_own_tables_are_known",
    ),
    _code(
        "blocked tables are named",
        "catalogue",
        "if blockers := schema_blockers(facts, declaration):",
        "if blockers := []:",
        "catalogue::test_everything_that_is_wrong_is_said_at_once",
    ),
    _code(
        "undeclared",
        "schema_blockers",
        "if is_known(fact.name) or declaration.get(fact.name) is not None:",
        "if True:",
        "blockers::test_an_undeclared_table_on_either_side_refuses_by_name",
    ),
    _code(
        "tables of podwork that nobody knows",
        "own",
        "return moving or name in STAYING or",
        "return moving or name.startswith('podwork_') or",
        "catalogue::test_everything_that_is_wrong_is_said_at_once",
    ),
    _code(
        "engines",
        "schema_blockers",
        "if fact.engine not in _KEYLESS_ENGINES:",
        "if False:",
        "blockers::test_what_only_servers_have",
    ),
    _code(
        "plain tables",
        "schema_blockers",
        "if fact.kind != PLAIN:",
        "if False:",
        "blockers::test_what_only_servers_have",
    ),
    _code(
        "shops are numbers",
        "schema_blockers",
        "column.fact.type not in _INTEGERS:",
        "False:",
        "blockers::test_what_only_servers_have",
    ),
    _code(
        "a parent is one",
        "schema_blockers",
        "if not lacking and not above.is_unique(set(theirs)):",
        "if False:",
        "blockers::test_a_table_whose_rows_cannot_be_told_or_walked",
    ),
    _code(
        "an index on the shop",
        "schema_blockers",
        "for part in index.parts[: len(wanted)] if part.length is None}",
        "for part in index.parts if part.column.lower() in wanted}",
        "blockers::test_what_only_servers_have",
    ),
    _code(
        "stored columns",
        "schema_blockers",
        '    if column.generated:\n        what = f"{table}.',
        '    if False:\n        what = f"{table}.',
        "blockers::test_a_table_whose_rows_cannot_be_told_or_walked",
    ),
    _code(
        "triggers",
        "schema_blockers",
        "    if others:\n",
        "    if False:\n",
        "blockers::test_triggers_stop_a_move_and_those_of_a_migration_say_so",
    ),
    _code(
        "cascades",
        "schema_blockers",
        "if key.changes_rows and",
        "if False and",
        "blockers::test_rows_that_the_database_changes_by_itself_are_in_no_log",
    ),
    _code(
        "keys to what stays",
        "schema_blockers",
        "elif to is not None and to.kind is Kind.POD_LOCAL:",
        "elif False:",
        "blockers::test_foreign_keys_to_what_does_not_travel",
    ),
    _code(
        "keys from what stays",
        "schema_blockers",
        "if to is not None and to.moves:",
        "if False:",
        "blockers::test_foreign_keys_to_what_does_not_travel",
    ),
    _code(
        "collations differ",
        "differing",
        "                column.fact.collation,\n",
        "",
        "blockers::test_differences_that_rows_would_feel",
    ),
    _code(
        "generated columns differ",
        "differing",
        'column.generated and f"as ({column.generated})",',
        "",
        "blockers::test_differences_that_rows_would_feel",
    ),
    _code(
        "lengths of unique prefixes differ",
        "differing",
        "{f'({part.length})' if part.length else ''}",
        "",
        "blockers::test_differences_that_rows_would_feel",
    ),
    _code(
        "the log is whole",
        "server_blockers",
        "if found.upper() != wanted:",
        "if False:",
        "blockers::test_settings_that_other_servers_have",
    ),
    _code(
        "the log is kept",
        "server_blockers",
        "if 0 < seconds < LEAST_RETENTION_SECONDS:",
        "if False:",
        "blockers::test_logs_that_are_kept_in_days",
    ),
    _code(
        "the log may be read",
        "server_blockers",
        "if missing and not granted",
        "if False and not granted",
        "blockers::test_a_user_who_may_not_follow_the_log",
    ),
    _code(
        "steps of numbers differ",
        "server_blockers",
        "our_step == their_step and ours",
        "ours",
        "blockers::test_servers_that_count_in_steps_never_meet",
    ),
    _code(
        "the target is empty",
        "row_blockers",
        "    if found is not None:\n",
        "    if False:\n",
        "blockers::test_a_target_that_has_rows_of_the_shop_or_is_in_another_move",
    ),
    _code(
        "the source's fence is open",
        "row_blockers",
        "if here not in (None, FenceState.OPEN):",
        "if False:",
        "blockers::test_a_target_that_has_rows_of_the_shop_or_is_in_another_move",
    ),
    _code(
        "the target's fence is free",
        "row_blockers",
        "if there not in (None, FenceState.MOVED):",
        "if False:",
        "blockers::test_a_target_that_has_rows_of_the_shop_or_is_in_another_move",
    ),
    _code(
        "rows fit into packets",
        "row_blockers",
        "if _written(longest) > packet:",
        "if False:",
        "blockers::test_a_row_that_no_statement_can_hold",
    ),
    _code(
        "rows of other shops are referred to",
        "references",
        'WHERE {there} AND {above.of_shop(_REFERRED)}) LIMIT 1"',
        'WHERE {there} AND ({above.of_shop(_REFERRED)} OR TRUE)) LIMIT 1"',
        "blockers::test_a_row_that_refers_to_another_shops_row",
    ),
    _code(
        "only other shops' rows clash",
        "clashes",
        "AND ({table.of_shop(ROW)}) IS NOT TRUE LIMIT",
        "AND (({table.of_shop(ROW)}) IS NOT TRUE OR TRUE) LIMIT",
        "clashes::test_the_shops_own_rows_do_not_clash_with_themselves",
    ),
    _code(
        "rows of no shop clash",
        "clashes",
        "({table.of_shop(ROW)}) IS NOT TRUE",
        "NOT ({table.of_shop(ROW)})",
        "clashes::test_rows_of_no_shop_are_in_the_way_too",
    ),
    _code(
        "rows without a parent clash",
        "clashes",
        "<= columns and _is_bound(table, fact):",
        "<= columns:",
        "clashes::test_rows_of_joined_tables_clash_where_no_parent_binds_them",
    ),
    _code(
        "given numbers do not clash",
        "clashes",
        "return not columns & given",
        "return True",
        "clashes::test_podworks_own_rows_are_looked_up_too",
    ),
    _code(
        "spans follow one another",
        "keys",
        "        after = upto\n",
        "        after = upto if after is None else after\n",
        "verify::test_ranges_cover_what_only_one_side_has_and_no_other_shop",
    ),
    _code(
        "the last span is open",
        "keys",
        "    yield Span(after, None)\n",
        "",
        "verify::test_ranges_cover_what_only_one_side_has_and_no_other_shop",
    ),
    _code(
        "a key of several columns",
        "keys",
        '({name} = {mark} AND {clause}))"',
        '{clause})"',
        "random::test_random_tables",
    ),
    _code(
        "lengths in front of texts",
        "digests",
        "CONCAT(OCTET_LENGTH({name}), ':', CAST({name} AS BINARY))",
        "CAST({name} AS BINARY)",
        "verify::test_values_do_not_run_into_one_another",
    ),
    _code(
        "rows do not undo one another",
        "digests",
        "CAST(CONV(LEFT(SHA1(CONCAT({parts})), 16), 16, 10) AS UNSIGNED)",
        "CRC32(CONCAT({parts}))",
        "verify::test_two_rows_with_the_same_change_do_not_undo_one_another",
    ),
    _code(
        "the digits of a float",
        "digests",
        '"{name} + 0E0"',
        '"{name}"',
        "verify::test_every_type_is_compared_by_its_whole_value",
    ),
    _code(
        "bits beyond a double",
        "digests",
        'dict.fromkeys(("bit", "enum", "set"), "CAST({name} AS UNSIGNED)")',
        'dict.fromkeys(("bit", "enum", "set"), "{name} + 0E0")',
        "verify::test_a_set_of_sixty_four_members_keeps_its_last_bit",
    ),
    _code(
        "null is no value",
        "digests",
        "return f\"IFNULL({words}, 'N')\"",
        "return f\"IFNULL({words}, '0:')\"",
        "verify::test_every_type_is_compared_by_its_whole_value",
    ),
    _code(
        "no digest proves nothing",
        "digests",
        "if digest != _PROBED:",
        "if False:",
        "verify::test_a_server_without_digests_proves_nothing",
    ),
    _code(
        "types of SQLite",
        "digests",
        'return b"%s%d:%s" % (kind.encode(), len(words), words)',
        'return b"%d:%s" % (len(words), words)',
        "verify::test_every_type_is_compared_by_its_whole_value",
    ),
    _code(
        "rewritten columns are left out",
        "digests",
        "if column.name not in rewritten",
        "if True",
        "verify::test_what_the_target_writes_anew_is_not_compared",
    ),
    _code(
        "times in UTC",
        "values",
        '("+00:00", "")',
        '(row[0], "")',
        "verify::test_every_type_is_compared_by_its_whole_value",
    ),
    _code(
        "sessions as they were",
        "values",
        "connection.exec_driver_sql(_SET, (zone, mode))",
        "pass",
        "verify::test_sessions_are_as_they_were_afterwards",
    ),
    _code(
        "a difference is narrowed down",
        "../verify",
        "if here != there:",
        "if False:",
        "verify::test_one_row_of_thousands_is_found_by_halving",
    ),
    _code(
        "no definition stays locked",
        "../verify",
        "            let_go(source, target)\n",
        "",
        "verify::test_between_ranges_nobody_who_changes_the_table_waits",
    ),
    _code(
        "few rows are read one by one",
        "../verify",
        "if most > ROWS_ONE_BY_ONE else []",
        "if False else []",
        "verify::test_one_row_of_thousands_is_found_by_halving",
    ),
    _code(
        "what only the target has",
        "../verify",
        "dict.fromkeys([*ours, *theirs])",
        "dict.fromkeys([*ours])",
        "verify::test_touched_keys_are_compared_alone",
    ),
]
