"""The guards of the linter of migrations that its promises rest on, for `tests.mutants`.

Owns the list only, as (name, file, guard, broken, tests); how one is taken out and judged is `tests.mutants`'.
"""

# ruff: noqa: E501 - a guard is quoted as it stands

from __future__ import annotations

_FOLDER = "migrations_runner/podwork_migrations/lint"
_RULES = "tests/unit/test_migrations_lint_catalogue.py"
_WORDS = "tests/unit/test_migrations_lint.py"
_READING = "tests/unit/test_migrations_lint_reading.py"
_SHARD = "tests/contract/test_migrations_lint.py"

Guard = tuple[str, str, str, str, str]


def _code(name: str, module: str, guard: str, broken: str, tests: str = _WORDS) -> Guard:
    return (f"lint: {name}", f"{_FOLDER}/{module}.py", guard, broken, tests)


GUARDS: list[Guard] = [
    _code("comments that the server executes", "reading/grammar", 'if any(comment.startswith(("!", "M!")) for token in tokens for comment in token.comments):', "if False:", _READING),
    _code("what a command hides", "reading/grammar", "if is_rest else [token]", "if False else [token]", _READING),
    _code("a routine with a body", "reading/grammar", "if _has_a_body(words):", "if False:", _READING),
    _code("SQL that is none", "reading/grammar", "return [Unparsed(words, _reason(error))]", "return []", _READING),
    _code("words that are left over", "reading/words", "            if whole:\n", "            if False:\n", _READING),
    _code("an operation of somebody else", "reading/operations", '    yield Unread(str(getattr(op, "table_name", "")), f"the operation {type(op).__name__} is not known")', "    yield from ()", _READING),
    _code("an action that is not known", "reading/alters", '        yield Unread(table, f"sqlglot\'s {type(tree).__name__}: {tree.sql()[:60]}")', "        yield from ()", _READING),
    _code("MODIFY that renames", "reading/alters", "if name.lower() != made.name.lower():", "if False:", _READING),
    _code("a key within a new column", "reading/alters", "if made.references is not None:", "if False:", _READING),
    _code("not what is not understood", "reading/statements", "isinstance(found, exp.Alter | Unparsed)", "isinstance(found, exp.Alter)", _READING),
    _code("a condition that may not hold", "reading/writes", "if isinstance(condition, exp.And) else [condition]", "if True else [condition]", _READING),
    _code("a condition on nothing", "reading/writes", "filtered=where is not None and where.find(exp.Column) is not None,\n        fixed=frozenset() if several", "filtered=where is not None,\n        fixed=frozenset() if several", _READING),
    _code("a join fixes nothing", "reading/writes", "fixed=frozenset() if several or where is None", "fixed=frozenset() if where is None", _READING),
    _code("a comparison of columns", "reading/writes", "if isinstance(one, exp.Column) and isinstance(other, _VALUES):", "if isinstance(one, exp.Column):", _READING),
    _code("a computed default", "reading/columns", "return Default.CONSTANT if is_now and not isinstance(tree, exp.Neg) else Default.EXPRESSION", "return Default.CONSTANT", _READING),
    _code("what an override hides", "finding", "return self.severity is Severity.REFUSE and self.overridden_by is None", "return self.severity is Severity.REFUSE"),
    _code("where a reason is not enough", "linter", "if case.dialect in rule.overridable else None", "if True else None"),
    _code("where a rule applies", "linter", "if case.dialect not in rule.dialects:", "if False:", _RULES),
    _code("copies that are overridden", "linter", "if finding.route is Route.COPY and finding.overridden_by is None:", "if finding.route is Route.COPY:"),
    _code("what cannot be recorded", "linter", "    except MigrationFailed as error:\n", "    except ZeroDivisionError as error:\n"),
    _code("an override of nothing", "rules/overriding", "if code not in case.rules:", "if False:"),
    _code("an override elsewhere", "rules/overriding", "if applies and code not in case.met:", "if code not in case.met:"),
    _code("what goes after the deploy", "rules/dropping", "return case.migration.phase is Phase.BEFORE_DEPLOY", "return True", _RULES),
    _code("a new table blocks nobody", "case", "            if change.table not in new:\n", "            if True:\n"),
    _code("nulls that were counted", "rules/nulls", "if counted is not None and counted.number:", "if False:"),
    _code("nulls of a part", "rules/nulls", "elif counted is None or not counted.whole:", "elif counted is None:"),
    _code("duplicates of a part", "rules/indexes", "elif counted is None or not counted.whole:", "elif counted is None:"),
    _code("duplicates that were counted", "rules/indexes", "if counted is not None and counted.number:", "if False:"),
    _code("no room for a copy", "rules/copying", "if lack := shortage(facts.bytes, facts.free_bytes):", "if lack := '':"),
    _code("nobody says what is free", "rules/copying", "elif facts.free_bytes is None and facts.bytes is not None", "elif False and facts.bytes is not None"),
    _code("large tables", "rules/indexes", "elif not facts.is_small and facts.replicas != 0:", "elif facts.replicas != 0:"),
    _code("no replica", "rules/indexes", " and facts.replicas != 0:", ":"),
    _code("an index in use", "rules/indexes", "elif index is not None and not index.ignored:", "elif index is not None:", _RULES),
    _code("places of an ENUM", "widening", "if new.values[: len(old.values)] != old.values:", "if False:"),
    _code("a second byte", "widening", "if before > _ONE_BYTE or after <= _ONE_BYTE:", "if True:"),
    _code("bytes, not characters", "column", "return length * CHARSET_BYTES.get(charset, 1)", "return length"),
    _code("MariaDB alone spares short ones", "widening", "if of.dialect is Dialect.MARIADB and is_spared else", "if is_spared else"),
    _code("signs", "widening", "if old.base in INTEGERS and old.unsigned != new.unsigned:", "if False:"),
    _code("an indexed text", "widening", "if of.dialect is Dialect.MARIADB and not of.indexed else", "if of.dialect is Dialect.MARIADB else"),
    _code("facts before the file", "rules/types", "old = column.type if column is not None else change.old_type", "old = change.old_type or (column.type if column is not None else None)"),
    _code("few rows", "rules/writes", "if len(rows) == len(facts) and max(rows) <= FEW_ROWS:", "if rows and max(rows) <= FEW_ROWS:"),
    _code("a limit that is none", "rules/writes", "write.limit <= BATCH_ROWS)", "True)"),
    _code("a part of a key", "facts", "return any({name.lower() for name in key} <= named for key in self.keys)", "return any({name.lower() for name in key} & named for key in self.keys)"),
    _code("keys with nulls", "facts", "column.nullable or column.generated", "column.generated"),
    _code("keys that are generated", "facts", "column.nullable or column.generated", "column.nullable"),
    _code("keys over a beginning", "facts", "for columns in unique if None not in columns]", "for columns in unique]"),
    _code("imports by name", "rules/imports", "if name in _BY_NAME and isinstance(given, ast.Constant)", "if isinstance(given, ast.Constant) and False"),
    _code("rows that are asked for", "recording_data", "kept.statements += [sql for sql in _written_out(migration) if sql not in kept.statements]", "pass"),
    _code("a result that is looped over", "recording_data", "    def __iter__(self) -> NoReturn:\n        raise _Asked\n", "    def __iter__(self) -> Any:\n        return iter(())\n"),
    _code("rows that are not estimated yet", "gathering", "return max(estimate, int(self._connection.exec_driver_sql(query).scalar_one()))", "return estimate", _SHARD),
    _code("a row more is read", "gathering", "LIMIT {self._read_rows + 1}", "LIMIT {self._read_rows}", _SHARD),
    _code("nulls are no duplicates", "gathering", "SUM(k AND n > 1)", "SUM(n > 1)", _SHARD),
    _code("ignored indexes", "gathering", "found.unique, found.ignored)", "found.unique)", _SHARD),
    _code("the table's character set", "gathering", "charset = found.collation.partition(\"_\")[0] or None", "charset = None", _SHARD),
]  # fmt: skip
