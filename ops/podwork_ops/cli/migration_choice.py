"""Which migration, and which plan, is meant on the command line.

Owns: `one_of`, `plan_meant`, and their arguments. Promises: what is typed may be a version, its beginning,
its name or both; what fits several is refused with their names, and nothing is guessed. Leaves to others:
pods (`pod_options`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

from podwork_migrations.plan.plan import Plan
from podwork_migrations.plan.plans import Plans
from podwork_migrations.plan.states import PlanState
from podwork_ops.cli.grounds import Line, owner_option
from podwork_ops.errors import MigrationAmbiguous, MigrationNotFound, NoPlan

LATEST: Final = 50
SHOWN: Final = 5

plan_argument = click.argument("plan", metavar="[PLAN]", type=click.IntRange(min=1), required=False)
version_argument = click.argument("version", metavar="[MIGRATION]", required=False)
versions_argument = click.argument("versions", metavar="[MIGRATION]...", nargs=-1)
folder_option = click.option(
    "--folder", metavar="FOLDER", help="The folder of the migration files [migrations.folder]."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
why_option = click.option("--reason", type=Line(), metavar="TEXT", help="Why; others see it.")


def who_and_why(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --reason and --owner, as `reason`, which may be none, and `owner`."""
    return why_option(owner_option(command))


def one_of(text: str, known: Mapping[str, str], where: str) -> str:
    """Return the version that is meant, of `known`: versions, with their names.

    Raises:
        MigrationNotFound, MigrationAmbiguous: none fits, or several do.
    """
    wanted = text.removesuffix(".py").rpartition("/")[2]
    exact = [version for version, name in known.items() if wanted in (version, name, f"{version}_{name}")]
    fitting = exact or [
        version for version, name in known.items() if version.startswith(wanted) or name.startswith(wanted)
    ]
    if not fitting or not wanted:
        raise MigrationNotFound(text, where)
    if len(fitting) > 1:
        raise MigrationAmbiguous(text, [f"{version}_{known[version]}" for version in fitting[:SHOWN]])
    return fitting[0]


def some_of(texts: Iterable[str], known: Mapping[str, str], where: str) -> list[str]:
    """Return the versions that are meant, each once. Raises as `one_of` does."""
    return list(dict.fromkeys(one_of(text, known, where) for text in texts))


def plan_meant(plans: Plans, number: int | None, states: Sequence[PlanState], to_do: str) -> Plan:
    """Return the plan of the number; without one the only one in these states.

    Raises:
        UnknownPlan: there is none of this number.
        NoPlan: none is in these states, or several are.
    """
    if number is not None:
        return plans.get(number)
    found = [plan for plan in plans.list(LATEST) if plan.state in states]
    if len(found) != 1:
        raise NoPlan(to_do, [plan.number for plan in found])
    return found[0]
