"""What a noun's command works with: the settings, the platform and the output, each opened when needed.

Owns: the decorators `session` and `output`, and asking for a confirmation. Leaves to
`podwork_ops.composition`: building anything.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from podwork.errors import PodworkError
from podwork.settings import LoadedSettings, load
from podwork_ops.cli.invocation import Invocation
from podwork_ops.cli.output import Output
from podwork_ops.composition import Platform, open_platform
from podwork_ops.errors import ConfirmationNeeded, Declined
from podwork_ops.exit_code_table import exit_code
from podwork_ops.masking import mask

P = ParamSpec("P")
R = TypeVar("R")


class Session:
    """One command's view of the platform."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.out = Output(invocation.format)

    def load(self, flags: Mapping[str, Any] | None = None) -> LoadedSettings:
        """Load the settings; `flags` are this command's options by setting."""
        loaded = load(flags, file=self.invocation.config)
        self.invocation.without_settings = without_settings(loaded)
        return loaded

    @contextmanager
    def platform(self, flags: Mapping[str, Any] | None = None) -> Iterator[Platform]:
        """Open the platform that the settings describe, and close it at the end."""
        with open_platform(self.load(flags).settings) as platform:
            yield platform

    def blame(self, failures: Mapping[int, PodworkError]) -> None:
        """Name the pods that did not answer, after the others' rows were written, and end with their code."""
        by_text: dict[str, list[str]] = {}
        for pod_id, failure in sorted(failures.items()):
            text = mask(str(failure)).removeprefix(f"pod {pod_id}: ")
            by_text.setdefault(text, []).append(str(pod_id))
        for text, pods in by_text.items():
            self.out.message(f"podctl: pod {', '.join(pods)}: {text}")
        if failures:
            raise click.exceptions.Exit(exit_code(failures[max(failures)]))


def without_settings(loaded: LoadedSettings) -> bool:
    """Say whether nobody said where the platform is."""
    places = ("topology.registry_url", "topology.directory_url")
    return loaded.file is None and all(loaded.origins[place] == "default" for place in places)


def session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give the command its `Session` as its first argument."""

    @functools.wraps(command)
    def with_session(*arguments: P.args, **keywords: P.kwargs) -> R:
        return command(Session(_invocation()), *arguments, **keywords)

    return with_session


def output(command: Callable[Concatenate[Output, P], R]) -> Callable[P, R]:
    """Give a command that needs no settings its `Output` as its first argument."""

    @functools.wraps(command)
    def with_output(*arguments: P.args, **keywords: P.kwargs) -> R:
        return command(Output(_invocation().format), *arguments, **keywords)

    return with_output


def confirm(action: str, yes: bool) -> None:
    """Ask before something that cannot be taken back lightly.

    Raises:
        Declined: the answer was no.
        ConfirmationNeeded: nobody can be asked, and `--yes` was not given.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationNeeded(action)
    if not click.confirm(f"{action}?", err=True):
        raise Declined(action)


def confirm_by_name(action: str, word: str, given: str | None) -> None:
    """Let the operator type a name before something that cannot be undone; `given` is what `--confirm` said.

    Raises:
        Declined: another name was typed.
        ConfirmationNeeded: nobody can be asked, and `--confirm` does not give the name.
    """
    if given == word:
        return
    if given is not None:
        raise Declined(f"{action}: --confirm says {given}, not {word}")
    if not sys.stdin.isatty():
        raise ConfirmationNeeded(action, f"pass --confirm {word}")
    if click.prompt(f"{action}? Type {word} to go on", default="", show_default=False, err=True) != word:
        raise Declined(action)


def _invocation() -> Invocation:
    invocation = click.get_current_context().ensure_object(Invocation)
    if not invocation.debug:
        # Libraries that lose a connection say so by the line; the command says it once, with a remedy.
        logging.lastResort = logging.NullHandler()
    return invocation
