"""A whole platform on one machine: N pods with their servers, the registry and the directory.

Owns: bringing a stack up, telling how it is, taking it down. Promises: `up` may be repeated, mends a
stack that is half dead, and keeps its data; the stack is usable when it returns; `down` signals only
processes that it can prove to be the stack's own. Leaves to others: the servers (one file each), the
pods' records and shards (`registration.py`), the command line (`podwork_ops.cli`).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from podwork_ops.local.account import Account, server_account
from podwork_ops.local.blueprint import Blueprint, draw
from podwork_ops.local.errors import StackUnusable
from podwork_ops.local.fleet import start_all, stop_all
from podwork_ops.local.guardian import Guardian
from podwork_ops.local.registration import register
from podwork_ops.local.removal import remove
from podwork_ops.local.server import Server
from podwork_ops.local.stack_config import write_config
from podwork_ops.local.state import (
    CONFIG_FILE,
    LOCK_FILE,
    Form,
    Health,
    ServerRecord,
    ServerStatus,
    StackState,
    StackStatus,
    load,
    locked,
    save,
)

Progress = Callable[[str], None]

DEFAULT_DIRECTORY = Path(".podwork")
DEFAULT_PODS = 3
MAX_PODS = 64
_OTHER_FORM = "give --servers for a served stack and nothing for an embedded one, or take another --dir"
_START_OVER = "podctl local down --purge, which deletes its data, or another --dir"
_UNUSABLE_IN_ADDRESSES = "?#%\n"


class LocalStack:
    """One stack in its folder. Its three class methods are the whole interface."""

    _guardians: dict[Path, Guardian] = {}  # noqa: RUF012 - of the stacks that this process owns

    @classmethod
    def up(
        cls,
        directory: Path = DEFAULT_DIRECTORY,
        pods: int | None = None,
        served: bool = False,
        progress: Progress = lambda _: None,
        *,
        guarded: bool = False,
    ) -> StackStatus:
        """Start what does not run, register the pods, write `podwork.toml`.

        Args:
            directory: the stack's folder; made if need be. It must be empty or hold a stack.
            pods: how many; None: as many as it has, or 3. May grow later, not shrink.
            served: MariaDB, Redis and ZooKeeper instead of SQLite and Valkey; fixed for a stack's life.
            progress: called with a line for each thing done.
            guarded: the servers end when this process ends, however it ends.

        Raises:
            ServerMissing: a server's program is not installed.
            ServerFailed: a server did not start; those started just now were stopped again.
            StackUnusable: the folder does not fit what is asked.
        """
        folder = _usable(directory)
        with locked(folder):
            stack = cls(folder, _agree(folder, pods, Form.SERVED if served else Form.EMBEDDED), progress)
            if guarded and folder not in cls._guardians:
                cls._guardians[folder] = Guardian()
            stack._start()
            stack._publish()
            return stack._status()

    @classmethod
    def status(cls, directory: Path = DEFAULT_DIRECTORY) -> StackStatus:
        """Return how the stack is now; `Health.ABSENT` if there is none in the folder."""
        folder = directory.resolve()
        state = load(folder)
        if state is None:
            return _absent(folder)
        return cls(folder, state, lambda _: None)._status()

    @classmethod
    def down(
        cls, directory: Path = DEFAULT_DIRECTORY, purge: bool = False, progress: Progress = lambda _: None
    ) -> StackStatus:
        """Stop the stack's servers, if they run; with `purge` delete its folder and all its data.

        Raises:
            StackUnusable: another command changes it, or a process goes on writing into its folder.
        """
        folder = directory.resolve()
        state = load(folder)
        if state is None:
            return _absent(folder)
        with locked(folder):
            stack = cls(folder, state, progress)
            stack._stop()
            if not purge:
                return stack._status()
            remove(Path(state.servers_directory))
            remove(folder)
            progress(f"deleted {folder}")
            return _absent(folder)

    def __init__(self, directory: Path, state: StackState, progress: Progress) -> None:
        self._directory = directory
        self._state = state
        self._progress = progress
        self._account = server_account()
        self._blueprint: Blueprint = draw(directory, state, self._account)
        self._recording = threading.Lock()

    def _start(self) -> None:
        self._place_servers()
        missing = [server for server in self._blueprint.servers if _health(server) is not Health.UP]
        stop_all(missing)  # one that runs without answering is replaced
        save(self._directory, self._state)
        start_all(missing, self._record_spawned, self._report_started)

    def _publish(self) -> None:
        """Make the running servers a platform."""
        blueprint = self._blueprint
        blueprint.create_databases()
        config = self._directory / CONFIG_FILE
        write_config(config, blueprint.registry_url, blueprint.directory_url)
        register(config, blueprint.pod_addresses(), self._progress)

    def _stop(self) -> None:
        running = [server for server in self._blueprint.servers if server.is_running()]
        stop_all(running)
        for server in running:
            self._progress(f"{server.name} stopped")
        guardian = self._guardians.pop(self._directory, None)
        if guardian is not None:
            guardian.close()

    def _status(self) -> StackStatus:
        servers = [self._server_status(server) for server in self._blueprint.servers]
        up = sum(server.health is Health.UP for server in servers)
        running = sum(server.health is not Health.DOWN for server in servers)
        whole = Health.UP if up == len(servers) else Health.DEGRADED if running else Health.DOWN
        return StackStatus(
            directory=str(self._directory),
            config=str(self._directory / CONFIG_FILE),
            health=whole,
            form=self._state.form,
            pods=self._state.pods,
            servers=servers,
        )

    def _server_status(self, server: Server) -> ServerStatus:
        health = _health(server)
        pid = server.mark.pid if server.mark is not None and health is not Health.DOWN else 0
        return ServerStatus(server.name, server.kind, health, server.url, pid, str(server.log))

    def _record_spawned(self, server: Server) -> None:
        """Remember a process at once (called from the thread that starts it)."""
        assert server.mark is not None
        with self._recording:
            record = ServerRecord(server.name, server.port, server.mark.pid, server.mark.born)
            self._state.servers[server.name] = record
            save(self._directory, self._state)
            if self._directory in self._guardians:
                self._guardians[self._directory].watch(server.mark)

    def _report_started(self, server: Server) -> None:
        self._progress(f"{server.name} answers at {server.url}")

    def _place_servers(self) -> None:
        """Make the servers' folder again if it was lost with the machine's temporary files."""
        folder = Path(self._state.servers_directory)
        if not folder.is_dir() or folder.stat().st_uid != os.geteuid():
            self._state.servers_directory = str(_servers_directory(self._directory, self._account))
            self._blueprint = draw(self._directory, self._state, self._account)


def _health(server: Server) -> Health:
    if not server.is_running():
        return Health.DOWN
    return Health.UP if server.ping() else Health.SILENT


def _absent(folder: Path) -> StackStatus:
    return StackStatus(str(folder), str(folder / CONFIG_FILE), Health.ABSENT)


def _usable(directory: Path) -> Path:
    folder = directory.resolve()
    if any(character in str(folder) for character in _UNUSABLE_IN_ADDRESSES):
        raise StackUnusable(f"{folder} has a ?, # or % in its name", "choose another folder with --dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = {path.name for path in folder.iterdir()} - {LOCK_FILE}
    except OSError as error:
        raise StackUnusable(f"{folder}: {error.strerror}", "choose another folder with --dir") from None
    if others and load(folder) is None:
        raise StackUnusable(f"{folder} is not empty and holds no stack", "choose a new folder with --dir")
    return folder


def _agree(folder: Path, pods: int | None, form: Form) -> StackState:
    """Return the state to bring up: what the folder holds, with what is asked, if the two fit."""
    state = load(folder)
    wanted = pods if pods is not None else state.pods if state else DEFAULT_PODS
    if not 1 <= wanted <= MAX_PODS:
        raise StackUnusable(f"{wanted} pods on one machine", f"choose 1 to {MAX_PODS}")
    if state is None:
        return StackState(form, wanted, str(_servers_directory(folder, server_account())))
    if state.form is not form:
        raise StackUnusable(f"the stack in {folder} is {state.form}", _OTHER_FORM)
    if wanted < state.pods:
        raise StackUnusable(f"the stack in {folder} has {state.pods} pods", _START_OVER)
    state.pods = wanted
    return state


def _servers_directory(folder: Path, account: Account) -> Path:
    """Return a folder that the servers' account can reach: in the stack's, or with the temporary files."""
    own = folder / "servers"
    if not account.can_reach(own):
        own = Path(tempfile.mkdtemp(prefix="podwork-stack-"))
    own.mkdir(exist_ok=True)
    own.chmod(0o711)
    return own
