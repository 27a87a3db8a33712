"""`podctl processes quiet|resume|stop|dump`: telling processes what to do, and waiting until they have done
it.

Promises: an order is given to the processes that were named and to no other; what is reported is what a
process has said of itself, and if it has said nothing in time, that is reported. Leaves to others: signals
to a whole worker (ops/docs/operating.md), who reach it also when its Redis is down.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from podwork.interventions import Interventions, Order
from podwork.obedience import Answer, Obedience, Sight
from podwork_ops.cli.commands import Command
from podwork_ops.cli.output import plural, span
from podwork_ops.cli.pod_options import pods_meant, pods_option
from podwork_ops.cli.process_targets import Target, everybody, find
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import Duration
from podwork_ops.composition import Platform
from podwork_ops.errors import ExitCode

WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.2


class _Words(NamedTuple):
    done: str
    already: str
    would: str


WORDS: Mapping[Order, _Words] = {
    "quiet": _Words("claims nothing more", "is quiet already", "would claim nothing more"),
    "resume": _Words("claims again", "is not quiet", "would claim again"),
    "stop": _Words("has ended", "is stopping already", "would drain and end"),
    "dump": _Words("wrote its stacks to its standard error", "", "would write its stacks"),
}


def _order(order: Order, summary: str, detail: str, examples: Sequence[str]) -> click.Command:
    """Return the command that gives an order."""

    @click.command(order, cls=Command, examples=examples, help=f"{summary}\n\n{detail}")
    @click.argument("targets", metavar="[PROCESS]...", nargs=-1)
    @click.option("--all", "everyone", is_flag=True, help="Every process of the pod.")
    @pods_option("Processes of this pod.")
    @click.option(
        "--wait",
        "wait_seconds",
        type=Duration(),
        default=WAIT_SECONDS,
        help="How long to wait until it is so (default: 10s).",
    )
    @click.option("--yes", is_flag=True, help="Do not ask before all are stopped.")
    @click.option("--dry-run", is_flag=True, help="Say who would be told, and tell nobody.")
    @session
    def command(
        session: Session,
        *,
        targets: tuple[str, ...],
        everyone: bool,
        pod_id: int | None,
        all_pods: bool,
        wait_seconds: float,
        yes: bool,
        dry_run: bool,
    ) -> int:
        if bool(targets) == everyone:
            raise click.UsageError("who? - name processes as the list shows them, or give --all")
        with session.platform() as platform:
            if everyone:
                chosen, failures = everybody(platform, pods_meant(platform, pod_id, all_pods))
            else:
                chosen, failures = find(platform, platform.chosen(pod_id), targets), {}
            if everyone and order == "stop" and chosen and not dry_run:
                confirm(f"stop {plural(len(chosen), 'process', 'processes')}", yes)
            told = [_Told(platform, target, order) for target in chosen]
            if not dry_run:
                _tell(session, told, wait_seconds)
            rows = [one.row(dry_run) for one in told]
        _report(session, rows, order, dry_run)
        session.blame(failures)
        return ExitCode.TIMED_OUT if any(row["answer"] == Answer.PENDING for row in rows) else ExitCode.OK

    return command


quiet = _order(
    "quiet",
    "Let processes claim no more jobs; what runs goes on.",
    "PROCESS is its incarnation, host:pid or pid, as the list shows them.",
    ["podctl processes quiet 4711", "podctl processes quiet --all --pod 7"],
)
resume = _order(
    "resume",
    "Let quiet processes claim again.",
    "PROCESS is its incarnation, host:pid or pid, as the list shows them.",
    ["podctl processes resume web3:4711", "podctl processes resume --all --pod 7"],
)
stop = _order(
    "stop",
    "Let processes drain and end; nobody takes their place.",
    "Running jobs have the worker's drain time, then they are given back. With its last process a "
    "worker ends; what started it (systemd, Kubernetes) may start it again.",
    ["podctl processes stop 4711 --wait 30s", "podctl processes stop --all --pod 7 --yes"],
)
dump = _order(
    "dump",
    "Let processes write their stacks to their standard error.",
    "All threads' stacks, which show where a job hangs. PROCESS is its incarnation, host:pid or pid.",
    ["podctl processes dump 4711", "podctl processes dump --all --pod 7"],
)


def _tell(session: Session, told: Sequence[_Told], wait_seconds: float) -> None:
    """Give the order to those who do not obey it already; return when all do, or the time is over."""
    for one in told:
        if not one.was_so:
            one.give()
    deadline = time.monotonic() + wait_seconds
    pending = [one for one in told if not one.is_over()]
    if pending and sys.stderr.isatty():
        session.out.message(
            f"told; waiting until it is so, at most {span(wait_seconds)} (Ctrl-C: do not wait)"
        )
    while pending and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        pending = [one for one in pending if not one.is_over()]


class _Told:
    """One process and how far it is with its order."""

    def __init__(self, platform: Platform, target: Target, order: Order) -> None:
        store = platform.store(target.pod_id)
        self._target = target
        self._order: Order = order
        self._interventions = Interventions(store)
        self._look: Callable[[str], Sight] = Obedience(store).look
        self._sight = self._look(target.incarnation)
        self.was_so = self._already()

    def _already(self) -> bool:
        sight = self._sight
        if self._order == "stop":
            return sight.stopping
        return self._order != "dump" and sight.unheard == 0 and sight.answer(self._order) is Answer.DONE

    def give(self) -> None:
        """Give the order."""
        self._interventions.order(self._target.incarnation, self._order)

    def is_over(self) -> bool:
        """Look again; a process that drains is waited for."""
        if not self.was_so:
            self._sight = self._look(self._target.incarnation)
        return self.was_so or self._sight.answer(self._order) in (Answer.DONE, Answer.GONE)

    def row(self, dry_run: bool) -> dict[str, Any]:
        """Return what is reported of it."""
        answer = None if dry_run else self._sight.answer(self._order)
        return {
            "pod_id": self._target.pod_id,
            "incarnation": self._target.incarnation,
            "order": self._order,
            "answer": answer,
            "already": self.was_so,
            "busy": self._sight.busy,
            "lease_seconds": self._target.full_lease_seconds,
        }


def _report(session: Session, rows: Sequence[dict[str, Any]], order: Order, dry_run: bool) -> None:
    if session.out.json:
        session.out.document({"processes": rows, "dry_run": dry_run})
        return
    for row in rows:
        session.out.message(f"{row['incarnation']} {_said(row, WORDS[order], dry_run)}")
    if not rows:
        session.out.message("no processes: nobody to tell")


def _said(row: Mapping[str, Any], words: _Words, dry_run: bool) -> str:
    if row["already"]:
        return f"{words.already}: nothing to change"
    if dry_run:
        return words.would
    if row["answer"] == Answer.DONE:
        return words.done
    if row["answer"] == Answer.DRAINING:
        return f"drains; {plural(row['busy'], 'job')} ran when it last said so"
    if row["answer"] == Answer.GONE:
        return "ended before it could obey"
    every = f"every {row['lease_seconds'] / 3:.0f} s" if row["lease_seconds"] else "with its heartbeat"
    return f"was told, but has not said so yet; it listens {every} - look again: podctl processes list"
