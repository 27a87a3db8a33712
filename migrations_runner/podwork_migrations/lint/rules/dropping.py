"""What takes something away that running code may use: columns and tables, dropped or renamed."""

from __future__ import annotations

from collections.abc import Iterator

from podwork_migrations.lint.case import Case
from podwork_migrations.lint.changes import DropColumn, DropTable, RenameColumn, RenameTable
from podwork_migrations.lint.rule import Example, Rule, Verdict, refuse, warn
from podwork_migrations.migration import Phase


def _too_early(case: Case) -> bool:
    return case.migration.phase is Phase.BEFORE_DEPLOY


def _drop_column(case: Case) -> Iterator[Verdict]:
    if _too_early(case):
        for where, change in case.of(DropColumn):
            yield refuse(where, f"{change.table}.{change.column} would be gone while workers still read it.")


def _drop_table(case: Case) -> Iterator[Verdict]:
    if _too_early(case):
        for where, change in case.of(DropTable):
            yield refuse(where, f"{change.table} would be gone while workers still read it.")


def _rename_column(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(RenameColumn):
        yield refuse(where, f"{change.table}.{change.column} would become {change.to}.")


def _rename_table(case: Case) -> Iterator[Verdict]:
    for where, change in case.of(RenameTable):
        yield refuse(where, f"{change.table} would become {change.to}.")


def _final(case: Case) -> Iterator[Verdict]:
    if not _too_early(case):
        for kind in (DropColumn, DropTable):
            for where, change in case.of(kind):
                yield warn(where, f"Of {change.table}.")


RULES = (
    Rule(
        code="drop-column",
        title="A column is dropped before the code that uses it is gone",
        says="refuses it with phase before_deploy",
        why="Workers with the old code run beside the new ones, and their statements name the column.",
        alternative="Let the code ignore the column, deploy that, and drop it in a migration with "
        'phase="after_deploy".',
        judge=_drop_column,
        bad=Example(body='op.drop_column("orders", "note")'),
        good=Example(body='op.drop_column("orders", "note")', decorator='phase="after_deploy"'),
    ),
    Rule(
        code="rename-column",
        title="A column is renamed",
        says="refuses it in either phase",
        why="No moment exists at which old and new code both find the name that they use.",
        alternative="Add the new column, write both, backfill the old rows, read the new one, and drop "
        "the old one after the deploy.",
        judge=_rename_column,
        bad=Example(
            body='op.alter_column("orders", "note", new_column_name="remark", existing_type=sa.Text())'
        ),
        good=Example(body='op.add_column("orders", sa.Column("remark", sa.Text()))'),
    ),
    Rule(
        code="drop-table",
        title="A table is dropped before the code that uses it is gone",
        says="refuses it with phase before_deploy",
        why="Workers with the old code run beside the new ones, and their statements name the table.",
        alternative='Deploy code that does not use it, and drop it in a migration with phase="after_deploy".',
        judge=_drop_table,
        bad=Example(body='op.drop_table("old_orders")'),
        good=Example(body='op.drop_table("old_orders")', decorator='phase="after_deploy"'),
    ),
    Rule(
        code="rename-table",
        title="A table is renamed",
        says="refuses it in either phase",
        why="No moment exists at which old and new code both find the name that they use.",
        alternative="Make the new table, write both, backfill, read the new one, and drop the old one "
        "after the deploy.",
        judge=_rename_table,
        bad=Example(body='op.rename_table("orders", "sales")'),
        good=Example(
            body='op.create_table("sales", sa.Column("id", sa.BigInteger(), primary_key=True))',
        ),
    ),
    Rule(
        code="drop-is-final",
        title="What is dropped does not come back",
        says="warns of it with phase after_deploy",
        why="A revert brings the column or the table back, not its rows.",
        alternative="Be sure that no revision that may be rolled back to uses it; keep a copy where rows "
        "matter.",
        judge=_final,
        bad=Example(body='op.drop_column("orders", "note")', decorator='phase="after_deploy"'),
        good=Example(body='op.add_column("orders", sa.Column("note", sa.Text()))'),
    ),
)
