"""What a hold or a limit is for: the options --queue, --class and --shop, in any mix.

Owns: `Scope`, its options and its name in messages. Leaves to others: what it stops (`podwork.holds`) or
counts (`podwork.limits`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from podwork.holds import ANY, name_of
from podwork_ops.cli.pod_options import completed, queues_of_settings
from podwork_ops.cli.values import SHOP, ClassName, QueueName


class Scope(NamedTuple):
    """Queue, class and shop; None is any."""

    queue: str | None = None
    job_class: str | None = None
    shop_id: int | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The scope as the engine takes it: `queue`, `job_class`, `shop`."""
        shop = None if self.shop_id is None else str(self.shop_id)
        fields = {"queue": self.queue, "job_class": self.job_class, "shop": shop}
        return {name: ANY if value is None else value for name, value in fields.items()}

    @property
    def name(self) -> str:
        """The name that a hold of this scope has."""
        return name_of(**self.fields)

    @property
    def is_everything(self) -> bool:
        """Whether all jobs of a pod are meant."""
        return self == Scope()


def scope_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --queue, --class and --shop, as `queue`, `job_class` and `shop_id`."""
    options = [
        click.option(
            "--queue",
            type=QueueName(),
            metavar="NAME",
            shell_complete=completed(queues_of_settings),
            help="Only jobs of this queue.",
        ),
        click.option("--class", "job_class", type=ClassName(), metavar="CLASS", help="Only this job class."),
        click.option("--shop", "shop_id", type=SHOP, metavar="SHOP", help="Only this shop's jobs."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def scope_named(text: str) -> Scope | None:
    """Return the scope that a hold's name says, its parts in any order; None: it is not such a name."""
    if text == "all":
        return Scope()
    parts = [part.partition("=") for part in text.split(",")]
    values = {name: value for name, _, value in parts}
    if (
        len(values) < len(parts)
        or not values.keys() <= {"queue", "class", "shop"}
        or not all(values.values())
    ):
        return None
    shop = values.get("shop")
    if shop is not None and not shop.isdecimal():
        return None
    return Scope(values.get("queue"), values.get("class"), None if shop is None else int(shop))
