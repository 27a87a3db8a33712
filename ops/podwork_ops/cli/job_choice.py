"""Which jobs are meant: --state, --queue, --class, --shop, --fingerprint and --search, in any mix.

Owns: the options, and the passage from what was typed to `podwork.inspection.Filter`. Leaves to others:
finding the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from podwork.inspection import STATES, Filter, State
from podwork.keys import POD_LANE
from podwork_ops.cli.pod_options import completed, queues_of_settings
from podwork_ops.cli.values import SHOP, ClassName, QueueName

C = TypeVar("C", bound=Callable[..., Any])


class ShopOrNone(click.ParamType[str]):
    """A shop's number, or `pod` for work without a shop. Converts to text."""

    name = "shop"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the shop as keys name it."""
        return POD_LANE if value == POD_LANE else str(SHOP.convert(value, param, ctx))


def filter_options(states: Sequence[State] = STATES) -> Callable[[C], C]:
    """Give a command the options of a filter; those of `filter_of` by name."""
    options = [
        click.option(
            "--state",
            "states",
            type=click.Choice(states),
            multiple=True,
            metavar="STATE",
            help=f"Only in this state: {', '.join(states)}; may be repeated.",
        ),
        click.option(
            "--queue",
            type=QueueName(),
            metavar="NAME",
            shell_complete=completed(queues_of_settings),
            help="Only jobs of this queue.",
        ),
        click.option("--class", "job_class", type=ClassName(), metavar="CLASS", help="Only this job class."),
        click.option(
            "--shop",
            type=ShopOrNone(),
            metavar="SHOP",
            help="Only this shop's jobs; pod: those without a shop.",
        ),
        click.option("--fingerprint", metavar="HEX", help="Only jobs whose last error has this fingerprint."),
        click.option(
            "--search", "text", metavar="TEXT", help="Only with this in id, class, arguments or error."
        ),
    ]

    def decorate(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def filter_of(choice: dict[str, Any]) -> Filter:
    """Return what the options say, taking them out of `choice`.

    Raises:
        InvalidFilter: it can fit no job.
    """
    names = ("states", "queue", "job_class", "shop", "fingerprint", "text")
    wanted = Filter(**{name: choice.pop(name) for name in names})
    wanted.check()
    return wanted
