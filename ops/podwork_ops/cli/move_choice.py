"""Which move an operator means, and the options that the commands about moves share."""

from __future__ import annotations

from typing import Final

import click

from podwork_ops.cli.grounds import Line
from podwork_ops.cli.values import Number

MOVE: Final = Number("move", least=1)

move_argument = click.argument("move_id", metavar="MOVE", type=MOVE)
why_option = click.option("--reason", type=Line(), metavar="TEXT", help="Why; it stands in the move's log.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
