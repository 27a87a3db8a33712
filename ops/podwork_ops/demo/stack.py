"""The demo's private stack, and what stays of it at the end.

Owns: its folder and its end. Promises: a folder that holds anything is refused and left alone. After a run
that went well, or was interrupted, nothing is left; with `keep` the servers stay up; after a run that
failed the servers are stopped but the folder stays, so that logs and rows can be looked at. Leaves to
others: the servers (`podwork_ops.local`).
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podwork_ops.demo.errors import DirectoryTaken
from podwork_ops.demo.migration_files import write_migrations
from podwork_ops.demo.options import KEPT_DIRECTORY, DemoOptions
from podwork_ops.demo.progress import Steps
from podwork_ops.local.stack import LocalStack
from podwork_ops.local.state import Health

TABLES = "podwork_ops.demo.tables:tables"


class DemoStack:
    """A stack that is up. `spoilt` is set when its contents are worth a look after the end."""

    def __init__(self, directory: Path, config: Path, form: str) -> None:
        self.directory = directory
        self.config = config
        self.form = form
        self.spoilt = False


@contextmanager
def demo_stack(options: DemoOptions, steps: Steps) -> Iterator[DemoStack]:
    """Bring the stack up, and down again as the options and the outcome ask for."""
    directory = _choose(options)
    try:
        with steps.step(f"start the {options.form} stack", options.pods, "pods"):
            up = LocalStack.up(directory, options.pods, options.served, guarded=not options.keep)
        stack = DemoStack(directory, Path(up.config), options.form)
        write_migrations(directory, stack.config)
        _declare_tables(stack.config)
        yield stack
    except Exception:
        _leave(directory, options, steps)
        raise
    except BaseException:  # Ctrl-C, TERM: the operator wants it gone
        _remove(directory)
        raise
    if options.keep or stack.spoilt:
        _leave(directory, options, steps)
    else:
        _remove(directory)


def _declare_tables(config: Path) -> None:
    """Say in the settings which rows are a shop's: workers move no shop without that."""
    with config.open("a", encoding="utf-8") as settings:
        settings.write(f'\n[moves]\ntables = "{TABLES}"\n')


def _choose(options: DemoOptions) -> Path:
    directory = options.directory or (KEPT_DIRECTORY if options.keep else None)
    if directory is None:
        return Path(tempfile.mkdtemp(prefix="podwork-demo-"))
    if directory.exists() and any(directory.iterdir()):
        raise DirectoryTaken(directory)  # also because everything in the folder is deleted at the end
    return directory


def _leave(directory: Path, options: DemoOptions, steps: Steps) -> None:
    if LocalStack.status(directory).health is Health.ABSENT:  # it did not come to life: nothing to see
        _remove(directory)
    elif options.keep:
        steps.say(_how_to_look(directory))
    else:
        LocalStack.down(directory)
        steps.say(f"the servers are stopped; logs and rows are left in {directory}")


def _remove(directory: Path) -> None:
    LocalStack.down(directory, purge=True)
    shutil.rmtree(directory, ignore_errors=True)


def _how_to_look(directory: Path) -> str:
    folder = shlex.quote(str(directory))
    return f"""\
the stack is up; look at it:
    export PODWORK_CONFIG={shlex.quote(f"{directory}/podwork.toml")}
    podctl queues list
    podctl migrations status
    podctl moves list --all
    podctl shops list --pod 1
    podctl local status --dir {folder}
run a worker of pod 1 again:
    podctl workers --pod 1 --app podwork_ops.demo.jobs:app
take it down:
    podctl local down --purge --dir {folder}"""
