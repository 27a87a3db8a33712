"""What every command of `podctl` has in common: help with examples, and the options -o, --config, --debug.

Owns: the classes `Command` and `Group`, and the lazy loading of a noun's file. Promises: listing the
commands imports none of them, so that `podctl --help` answers at once. Every command has at least one
example. The common options may stand before or after the command's name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from podwork_ops.cli.invocation import Invocation


class Lazy(NamedTuple):
    """A command that is imported when it is first used: where it is, and its line in the list."""

    module: str
    attribute: str
    summary: str


class Command(click.Command):
    """A command with examples and the common options."""

    def __init__(self, *arguments: Any, examples: Sequence[str] = (), **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.examples = list(examples)
        self.params.extend(common_options())

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class Group(click.Group):
    """A group; its subcommands may be lazy."""

    command_class = Command

    def __init__(
        self,
        *arguments: Any,
        lazy: Mapping[str, Lazy] | None = None,
        examples: Sequence[str] = (),
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.lazy = dict(lazy or {})
        self.examples = list(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples below the commands: the group's own, or the first one of each command."""
        own = [command.examples[0] for command in self.commands.values() if isinstance(command, Command)]
        with formatter.section("Examples"):
            for example in self.examples or own:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        super().format_epilog(ctx, formatter)

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names in the order of their declaration: the order in which one meets them."""
        return [*self.lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command if need be."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute, _ = self.lazy[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that is not there is answered with the nearest ones."""
        name = args[0] if args else ""
        if not ctx.resilient_parsing and not name.startswith("-") and name not in self.list_commands(ctx):
            import difflib  # noqa: PLC0415 - only for the mistake

            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(self.list_commands(ctx))}"
            raise click.UsageError(f"no such command: {ctx.command_path} {name} - {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing the lazy ones."""
        rows = [(name, lazy.summary) for name, lazy in self.lazy.items()]
        rows += [(name, command.get_short_help_str(limit=70)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def common_options() -> list[click.Option]:
    """Return fresh common options; their values go to the `Invocation`, not to the command."""
    return [
        click.Option(
            ["-o", "--output"],
            type=click.Choice(["table", "json"]),
            expose_value=False,
            callback=_remember("format"),
            help="table for people (default), json for machines.",
        ),
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            expose_value=False,
            callback=_remember("config"),
            help="Settings file (default: $PODWORK_CONFIG, then ./podwork.toml).",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_remember("debug"),
            help="Show the traceback of an error.",
        ),
    ]


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Invocation), name, value)

    return remember
