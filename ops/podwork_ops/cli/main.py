"""`podctl`: the root command, and the one place where an error becomes a line and an exit code.

Promises: an error that podwork raises on purpose is one line on standard error, which says what happened
and what to do; never a traceback, unless `--debug` asks for it. Codes are those of `podwork_ops.errors`.
Leaves to the nouns' files: everything else. Nothing but click is imported until a command is chosen.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from podwork_ops.cli.commands import Group, Lazy, common_options
from podwork_ops.cli.invocation import Invocation

NAME = "podctl"
COMPLETE = "_PODCTL_COMPLETE"

COMMANDS = {
    "workers": Lazy("podwork_ops.cli.workers", "workers", "Run the jobs of one pod until told to stop."),
    "pods": Lazy("podwork_ops.cli.pods", "pods", "List, add, drain and change pods."),
    "shops": Lazy(
        "podwork_ops.cli.shops", "shops", "Find the pod of a shop; see one whole; assign shops to pods."
    ),
    "moves": Lazy(
        "podwork_ops.cli.moves",
        "moves",
        "Move shops between pods while they trade; see, hold, cut over, reverse.",
    ),
    "jobs": Lazy(
        "podwork_ops.cli.jobs",
        "jobs",
        "List jobs; see where one stands and why; retry, discard, cancel, move, enqueue.",
    ),
    "queues": Lazy(
        "podwork_ops.cli.queues",
        "queues",
        "See what waits on a pod, and for how long; pause and purge queues.",
    ),
    "holds": Lazy("podwork_ops.cli.holds", "holds", "Pause any mix of queue, class and shop."),
    "limits": Lazy(
        "podwork_ops.cli.limits", "limits", "Limit how many jobs run at once, or start in a while."
    ),
    "schedules": Lazy(
        "podwork_ops.cli.schedules", "schedules", "See what runs again and again; run, pause and change it."
    ),
    "runs": Lazy(
        "podwork_ops.cli.runs",
        "runs",
        "See how far iteration jobs are; start, pause, resume, cancel and pace them.",
    ),
    "migrations": Lazy(
        "podwork_ops.cli.migrations",
        "migrations",
        "Write, judge, plan, run and watch migrations of the pods' shards.",
    ),
    "processes": Lazy(
        "podwork_ops.cli.processes",
        "processes",
        "See the worker processes and what they do; tell them what to do.",
    ),
    "top": Lazy(
        "podwork_ops.cli.top",
        "top",
        "Show what pods, queues and processes do now, the worst first.",
    ),
    "local": Lazy("podwork_ops.cli.local", "local", "Run pods on this machine, with nothing installed."),
    "demo": Lazy("podwork_ops.cli.demo", "demo", "Run the platform on real data, and check the result."),
    "doctor": Lazy("podwork_ops.cli.doctor", "doctor", "Check everything that podwork needs."),
    "config": Lazy("podwork_ops.cli.config", "config", "Show and check the settings."),
    "completion": Lazy("podwork_ops.cli.completion", "completion", "Print the shell's completion script."),
    "exit-codes": Lazy("podwork_ops.cli.exit_codes", "exit_codes", "Explain podctl's exit codes."),
}


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and asked for rarely

    try:
        click.echo(f"{NAME} {version('podwork')}")
    except PackageNotFoundError:  # run from a checkout that was never installed
        click.echo(f"{NAME} unknown")
    ctx.exit()


VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)

cli = Group(
    name=NAME,
    lazy=COMMANDS,
    examples=["podctl local up", "podctl workers --pod 1 --app shop:app", "podctl demo --limit 5000"],
    params=[*common_options(), VERSION],
    help="""Operate podwork: pods, shops, queues, jobs and the workers that run them.

    Settings come from a flag, the environment (PODWORK_WORKER_THREADS for worker.threads), podwork.toml,
    or the default; `podctl config view` shows which.""",
    epilog="""\b
    Exit codes: 0 done, 1 failed, 2 usage, 3 conflict, 5 declined, 6 not found,
    7 unreachable, 124 timed out, 130 and 143 signals. All: podctl exit-codes""",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Terminated(BaseException):
    """SIGTERM, as an exception, so that what a command started is stopped on the way out."""


def main() -> NoReturn:
    """Run `podctl` and leave with its exit code."""
    if COMPLETE in os.environ:
        cli.main(prog_name=NAME, complete_var=COMPLETE)
    signal.signal(signal.SIGTERM, _terminate)
    _open_closed_streams()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _broken_pipe()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are printed."""
    invocation = Invocation()
    try:
        with cli.make_context(NAME, list(arguments), obj=invocation) as context:
            result: Any = cli.invoke(context)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:
        return _broken_pipe()
    except Exception as error:  # the last line of defence: nothing may reach the terminal as a traceback
        if invocation.debug and not isinstance(error, click.ClickException | click.Abort):
            traceback.print_exception(error)
        return _failed(error, without_settings=invocation.without_settings)
    except (KeyboardInterrupt, Terminated) as signalled:
        return _failed(signalled)


def _failed(error: BaseException, *, without_settings: bool = False) -> int:
    """Print one line about the error and return its code."""
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, Terminated):
        return _say("terminated", 143)
    if isinstance(error, KeyboardInterrupt | click.Abort | EOFError):
        return _say("interrupted", 130)
    from podwork_ops.cli.failures import describe  # noqa: PLC0415 - needed only now; keeps --help fast

    assert isinstance(error, Exception)
    return _say(*describe(error, without_settings=without_settings))


def _usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    message = error.format_message().strip().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    hint = "" if " - " in message else f" - see: {context.command_path if context else NAME} --help"
    return _say(message + hint, 2)


def _say(line: str, code: int) -> int:
    single = " ".join(line.split())
    sys.stderr.write(f"{NAME}: {single}\n")
    return code


def _open_closed_streams() -> None:
    """Give what the shell closed (`>&-`) somewhere to go: Python leaves None there."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _broken_pipe() -> int:
    # Python flushes stdout at exit and would complain: give it somewhere to flush to.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def _terminate(_: int, __: FrameType | None) -> None:
    raise Terminated
