"""Why, by whom and for how long something is paused: the options --reason, --owner and --for.

Owns: `Grounds` and its options. Promises: nothing is paused without a reason, and who did it is known
without asking.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import click

from podwork_ops.cli.values import Duration


class Grounds(NamedTuple):
    """A reason, an owner, and how long it lasts (None: until somebody takes it back)."""

    reason: str
    owner: str
    seconds: float | None = None


class Line(click.ParamType[str]):
    """A text in one line, which says something."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without blanks around it."""
        text = " ".join(str(value).split())
        if not text:
            self.fail("it is empty - say it for those who will ask", param, ctx)
        return text


def grounds_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --reason, --owner and --for, as `reason`, `owner` and `seconds`."""
    options = [
        reason_option,
        owner_option,
        click.option(
            "--for",
            "seconds",
            type=Duration(),
            metavar="30m",
            help="It ends by itself then (default: never).",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def this_person() -> str:
    """Return who runs podctl and where: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry in passwd
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


reason_option = click.option(
    "--reason", type=Line(), required=True, metavar="TEXT", help="Why; others see it."
)
owner_option = click.option(
    "--owner", type=Line(), default=this_person, metavar="NAME", help="Whom to ask (default: user@host)."
)
