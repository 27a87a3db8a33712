"""`podctl moves verify`: whether both pods of a move have the same rows of its shop.

Promises: it locks and changes nothing; it ends with 1 if rows stay different. Leaves to others: comparing
(`podwork_ops.move_compare`).
"""

from __future__ import annotations

import click

from podwork_ops.cli.commands import Command
from podwork_ops.cli.move_choice import move_argument
from podwork_ops.cli.output import Column, count, plural
from podwork_ops.cli.session import Session, session
from podwork_ops.errors import ExitCode

COLUMNS = [
    Column("TABLE", "table"),
    Column("ROWS", "rows", count, right=True),
    Column("DIFFER", "differing", count, right=True),
    Column("SUCH AS", "example", wide=True),
]


@click.command("verify", cls=Command, examples=["podctl moves verify 12", "podctl moves verify 12 -o json"])
@move_argument
@session
def verify(session: Session, move_id: int) -> int:
    """Compare the shop's rows on both pods, by checksums, while it trades.

    Rows that have just changed are looked at again for some seconds. From catchup to reversible.
    """
    with session.platform() as platform:
        move = platform.moves.store.get(move_id)
        rows = [one._asdict() for one in platform.moves.compared(move)]
    differing = sum(row["differing"] for row in rows)
    session.out.rows("tables", rows, COLUMNS)
    if not session.out.json:
        of = plural(sum(row["rows"] for row in rows), "row")
        said = "all are equal" if not differing else f"{plural(differing, 'row')} differ"
        session.out.message(f"{of} of shop {move.shop_id} compared: {said}")
    return ExitCode.FAILED if differing else ExitCode.OK
