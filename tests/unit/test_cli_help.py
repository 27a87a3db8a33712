"""Every command explains itself: a sentence, examples that parse, options with help, and at once."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from podwork_ops.cli.commands import Command, Group
from podwork_ops.cli.invocation import Invocation
from podwork_ops.cli.main import COMMANDS, cli


def commands(group: Group = cli, path: str = "podctl") -> Iterator[tuple[str, Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, Group):
            yield from commands(command, f"{path} {name}")
        else:
            assert isinstance(command, Command), f"{path} {name} has not the common options"
            yield f"{path} {name}", command


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_a_sentence_and_an_example_of_itself(path: str) -> None:
    command = ALL[path]
    assert command.get_short_help_str().endswith(".")
    assert command.examples
    assert any(f"{path} " in f"{example} " for example in command.examples)


@pytest.mark.parametrize("path", ALL)
def test_every_option_has_help(path: str) -> None:
    options = [param for param in ALL[path].params if isinstance(param, click.Option)]
    assert {"-o", "--config", "--debug"} <= {name for option in options for name in option.opts}
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "example", [example for command in ALL.values() for example in command.examples if "(" not in example]
)
def test_every_example_parses(example: str) -> None:
    words = shlex.split(example.partition(" | ")[0], comments=True)
    assert words[0] == "podctl"
    group: click.Command = cli
    context = click.Context(cli, obj=Invocation())
    words = words[1:]
    while isinstance(group, Group):
        found = group.get_command(context, words[0])
        assert found is not None, example
        group, words = found, words[1:]
    group.make_context(group.name, words, parent=context)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    summary = command.get_short_help_str(limit=200)
    assert COMMANDS[name].summary == summary


def test_the_list_of_commands_imports_none_of_them() -> None:
    """Measured as what it costs: imports, not milliseconds, which depend on the machine."""
    program = "\n".join(
        [
            "import sys",
            "from podwork_ops.cli.main import run",
            "code = run(['--help'])",
            "heavy = {'sqlalchemy', 'redis', 'rich', 'msgspec', 'podwork', 'prometheus_client', 'structlog'}",
            "sys.exit(code or ', '.join(sorted(heavy & set(sys.modules))) or 0)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_help_of_all_explains_the_exit_codes() -> None:
    assert "podctl exit-codes" in cli.get_help(click.Context(cli))
