"""`podctl doctor`: the first thing to run when something does not work."""

from __future__ import annotations

from collections import Counter

import click

from podwork_ops.cli.checks import run_checks
from podwork_ops.cli.commands import Command
from podwork_ops.cli.finding import Verdict
from podwork_ops.cli.output import Column, plural
from podwork_ops.cli.session import Session, session
from podwork_ops.errors import ChecksFailed

COLUMNS = [
    Column("CHECK", "check"),
    Column("VERDICT", "verdict"),
    Column("FOUND", "found", wide=True),
    Column("WHAT TO DO", "remedy", wide=True),
]


@click.command(
    cls=Command, examples=["podctl doctor", "podctl doctor -o json", "podctl doctor --app shop:app"]
)
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@session
def doctor(session: Session, app_target: str | None) -> None:
    """Check everything that podwork needs.

    Looks at the settings, the application, the registry, the directory, and each pod's shard, Redis and
    workers; changes nothing. Exits with 1 if a check fails; a warning alone does not.
    """
    checks = run_checks(session.load({"app.target": app_target}))
    verdicts = Counter(check.verdict for check in checks)
    if session.out.json:
        healthy = not verdicts[Verdict.FAIL]
        session.out.document({"healthy": healthy, "checks": [check._asdict() for check in checks]})
    else:
        session.out.rows("checks", [check._asdict() for check in checks], COLUMNS)
        if verdicts[Verdict.WARN] and not verdicts[Verdict.FAIL]:
            session.out.message(f"healthy, with {plural(verdicts[Verdict.WARN], 'warning')}")
    if verdicts[Verdict.FAIL]:
        failed = f"{verdicts[Verdict.FAIL]} of {len(checks)} checks failed"
        raise ChecksFailed(failed, "mend the first one first")
