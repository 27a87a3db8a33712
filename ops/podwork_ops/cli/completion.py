"""`podctl completion`: the script that teaches a shell podctl's commands, options, pods and queues."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from podwork_ops.cli.commands import Command
from podwork_ops.cli.main import COMPLETE, NAME, cli
from podwork_ops.cli.output import Output
from podwork_ops.cli.session import output


@click.command(
    cls=Command,
    examples=[
        'eval "$(podctl completion bash)"      # in ~/.bashrc',
        'eval "$(podctl completion zsh)"       # in ~/.zshrc',
        "podctl completion fish | source       # in ~/.config/fish/config.fish",
    ],
)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@output
def completion(out: Output, shell: str) -> None:
    """Print the shell's completion script.

    SHELL is bash, zsh or fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(cli, {}, NAME, COMPLETE).source()
    if out.json:
        out.document({"shell": shell, "script": script})
    else:
        out.write(script + "\n")
