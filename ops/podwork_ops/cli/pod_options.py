"""Options that name pods, shops and queues, with completion from the live platform where that is quick.

Promises: completion answers within its budget or not at all, and never prints an error into a shell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from podwork_ops.cli.invocation import Invocation
from podwork_ops.cli.values import POD

COMPLETION_SECONDS = 0.3

Source = Callable[[Invocation], list[CompletionItem]]


def completed(source: Source) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer that offers what `source` finds in time and what fits what is typed."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        invocation = ctx.find_object(Invocation) or Invocation()
        return [item for item in in_time(source, invocation) if item.value.startswith(incomplete)]

    return complete


def in_time(source: Source, invocation: Invocation) -> list[CompletionItem]:
    """Return what `source` finds within the budget, else nothing."""
    found: list[CompletionItem] = []

    def look() -> None:
        with suppress(Exception):  # a shell that completes must not print errors
            found.extend(source(invocation))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(COMPLETION_SECONDS)
    return list(found)


def pods_of_registry(invocation: Invocation) -> list[CompletionItem]:
    """Return the pods, each with its state."""
    from podwork_ops.cli.session import Session  # noqa: PLC0415 - slow, for completion only
    from podwork_ops.composition import open_platform  # noqa: PLC0415 - heavy, and only for completion

    with open_platform(Session(invocation).load().settings) as platform:
        return [CompletionItem(str(pod.id), help=pod.state.value) for pod in platform.pods()]


def queues_of_settings(invocation: Invocation) -> list[CompletionItem]:
    """Return the queues that the settings name: those of a pod's Redis would cost a connection."""
    from podwork_ops.cli.session import Session  # noqa: PLC0415 - only for completion

    return [CompletionItem(name) for name in Session(invocation).load().settings.worker.queues]


def pod_option(**keywords: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return `--pod N`."""
    keywords.setdefault("help", "The pod's number.")
    return click.option(
        "--pod",
        "pod_id",
        type=POD,
        metavar="N",
        shell_complete=completed(pods_of_registry),
        **keywords,
    )


pod_argument = click.argument("pod_id", metavar="POD", type=POD, shell_complete=completed(pods_of_registry))
