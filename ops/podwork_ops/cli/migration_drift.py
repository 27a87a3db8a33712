"""`podctl migrations drift`: where a shard's schema is not the one that its migrations lead to.

Promises: it only looks and says; what is pending is no drift; one pod that differs, or does not answer, hides
none of the others. Leaves to others: the comparison (`podwork_migrations.fingerprint`).
"""

from __future__ import annotations

from typing import Any

import click

from podwork_migrations.ledger.states import EntryState
from podwork_migrations.migration import Kind
from podwork_ops.cli.commands import Command
from podwork_ops.cli.each_pod import ask_each
from podwork_ops.cli.output import Column
from podwork_ops.cli.pod_options import pod_option
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import Platform
from podwork_ops.errors import SchemaDrifted

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("SCHEMA", "state"),
    Column("MIGRATIONS", "applied", right=True),
    Column("FINGERPRINT", "short"),
    Column("EXPECTED", "expected_short"),
    Column("WHY", "why", wide=True),
]


@click.command(
    "drift",
    cls=Command,
    examples=[
        "podctl migrations drift",
        "podctl migrations drift --pod 7",
        "podctl migrations drift -o json",
    ],
)
@pod_option(help="Only this pod.")
@session
def drift(session: Session, pod_id: int | None) -> None:
    """Compare shards' schemas with what was expected; show DDL.

    Expected is what the first pod had that came so far. It ends with 1 if a schema differs. What is shown
    would lead to the expected one; nobody runs it.
    """
    with session.platform() as platform:
        answers, failures = ask_each(platform.chosen(pod_id), lambda pod: _compare(platform, pod))
    rows = list(answers.values())
    if session.out.json:
        session.out.document({"pods": rows})
    elif rows or not failures:
        session.out.rows("pods", rows, COLUMNS)
        for row in rows:
            if row["differences"]:
                session.out.write(
                    f"\n-- pod {row['pod_id']}\n" + "".join(f"{sql};\n" for sql in row["differences"])
                )
    session.blame(failures)
    if drifted := [row["pod_id"] for row in rows if row["differences"]]:
        raise SchemaDrifted(drifted)


def _compare(platform: Platform, pod_id: int) -> dict[str, Any]:
    # Here, because SQLAlchemy's inspector comes with them.
    from podwork_migrations.fingerprint.canonical import canonical  # noqa: PLC0415
    from podwork_migrations.fingerprint.drift import differences  # noqa: PLC0415

    migrations = platform.migrations
    entries = migrations.entries(pod_id)
    schema = [entry for entry in entries if entry.kind is Kind.SCHEMA]
    done = [entry.version for entry in schema if entry.state.counts_as_done]
    unsettled = [entry for entry in schema if entry.state.is_open or entry.state is EntryState.FAILED]
    with migrations.looking(pod_id) as connection:
        found = canonical(connection)
    expected = migrations.expectations.expected(done, found.dialect)
    row = {
        "pod_id": pod_id,
        "state": "ok",
        "applied": len(done),
        "fingerprint": found.fingerprint,
        "short": found.fingerprint[:12],
        "expected": expected.fingerprint if expected else None,
        "expected_short": expected.fingerprint[:12] if expected else None,
        "why": None,
        "differences": [],
    }
    if unsettled:
        why = f"{unsettled[0].id} is {unsettled[0].state}: its tables are neither as before nor as after"
        return {**row, "state": "unknown", "why": why}
    if expected is None:
        return {**row, "state": "unknown", "why": "no pod has come to where this one is by a migration"}
    found_differences = differences(expected, found)
    return {**row, "state": "drifted" if found_differences else "ok", "differences": found_differences}
