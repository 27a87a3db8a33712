"""Options that name pods, shops and queues, with completion from the live platform where that is quick.

Promises: completion answers within its budget or not at all, and never prints an error into a shell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from podwork_ops.cli.invocation import Invocation
from podwork_ops.cli.values import POD

if TYPE_CHECKING:
    from podwork_ops.composition import Platform

COMPLETION_SECONDS = 0.3

Source = Callable[[Invocation], list[CompletionItem]]


def completed(source: Source) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer that offers what `source` finds in time and what fits what is typed."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        invocation = ctx.find_object(Invocation) or Invocation()
        return [item for item in in_time(source, invocation) if item.value.startswith(incomplete)]

    return complete


def completed_list(source: Source) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Return a completer of lists with commas: it completes the last name, with what is not there yet."""
    complete = completed(source)

    def complete_last(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        present = {name.partition(":")[0] for name in before.split(",")}
        found = complete(ctx, param, last)
        return [CompletionItem(f"{before}{comma}{item.value}") for item in found if item.value not in present]

    return complete_last


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

    queues = Session(invocation).load().settings.worker.queues
    return [CompletionItem(queue.partition(":")[0]) for queue in queues]


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


def pods_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return `--pod N` and `--all-pods` of a command that changes something; see `pods_meant`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        every = click.option("--all-pods", is_flag=True, help="On every pod; never implied.")
        return pod_option(help=help_)(every(command))

    return decorate


def pods_meant(
    platform: Platform, pod_id: int | None, all_pods: bool, shop_id: int | None = None
) -> list[int]:
    """Return the pods that a change is for; without --pod and --all-pods, the pod of the shop that it names.

    Raises:
        click.UsageError: neither or both were given, and no shop says where it belongs.
        UnknownPod, UnknownShop: there is none of that number.
    """
    if pod_id is not None and all_pods:
        raise click.UsageError("--pod and --all-pods exclude each other - give one of them")
    if pod_id is None and not all_pods and shop_id is not None:
        return [platform.directory.locate(shop_id).pod_id]
    if pod_id is None and not all_pods:
        raise click.UsageError("which pod? - give --pod N or --all-pods")
    return platform.chosen(pod_id)


pod_argument = click.argument("pod_id", metavar="POD", type=POD, shell_complete=completed(pods_of_registry))
