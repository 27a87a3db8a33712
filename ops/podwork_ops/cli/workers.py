"""`podctl workers`: the process that runs a pod's jobs.

Leaves everything but the options to `podwork_ops.workers`, and signals to the supervisor.
"""

from __future__ import annotations

import io
import logging
import signal
import sys
from dataclasses import asdict

import click

from podwork_ops import logging as podwork_logging
from podwork_ops.cli.commands import Command
from podwork_ops.cli.pod_options import completed_list, pod_option, queues_of_settings
from podwork_ops.cli.session import Session, session
from podwork_ops.cli.values import Duration, QueueList
from podwork_ops.workers import WorkerStart, run_workers

log = logging.getLogger(__name__)


@click.command(
    cls=Command,
    examples=[
        "podctl workers --pod 7 --app shop:app",
        "podctl workers --pod 7 --queues critical,default --processes 4 --threads 8 --drain 25s",
        "podctl workers --pod 7 --queues critical:6,default:3,low:1",
        "podctl workers --pod 7 --isolate --threads 4",
        "podctl workers --pod 7 --metrics-port 9100 --log-format json",
    ],
)
@pod_option(required=True, help="The pod whose jobs to run.")
@click.option("--app", "app_target", metavar="MODULE:ATTRIBUTE", help="The application [app.target].")
@click.option(
    "--queues",
    type=QueueList(),
    metavar="A,B",
    shell_complete=completed_list(queues_of_settings),
    help="Queues, most urgent first; or by weights, critical:6,default:3 [worker.queues].",
)
@click.option("--processes", type=click.IntRange(min=1), help="Child processes [worker.processes].")
@click.option("--threads", type=click.IntRange(min=1), help="Threads per child [worker.threads].")
@click.option(
    "--isolate/--no-isolate",
    default=None,
    help="Run each job in a process of its own [worker.isolate].",
)
@click.option(
    "--drain",
    type=Duration(),
    help="How long TERM lets running jobs go on, then they are given back [worker.drain_seconds].",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(min=0, max=65_535),
    help="Serve /metrics, /livez and /readyz there; 0: do not [metrics.port].",
)
@click.option("--metrics-host", metavar="ADDRESS", help="Address to serve them on [metrics.host].")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="[log.level]")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="[log.format]")
@session
def workers(
    session: Session,
    *,
    pod_id: int,
    app_target: str | None,
    queues: list[str] | None,
    processes: int | None,
    threads: int | None,
    isolate: bool | None,
    drain: float | None,
    metrics_port: int | None,
    metrics_host: str | None,
    log_level: str | None,
    log_format: str | None,
) -> int:
    """Run the jobs of one pod until told to stop.

    TERM or Ctrl-C drains: running jobs finish or are given back within --drain, and nothing is lost. A
    second TERM gives back at once. TSTP stops claiming, USR1 writes every thread's stack.
    """
    # Until the supervisor listens there is nothing to end in order, so TERM ends the process as it is. An
    # exception out of a handler would not do: one raised inside a callback of the interpreter is lost.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    loaded = session.load(
        {
            "app.target": app_target,
            "worker.queues": queues,
            "worker.processes": processes,
            "worker.threads": threads,
            "worker.isolate": isolate,
            "worker.drain_seconds": drain,
            "metrics.port": metrics_port,
            "metrics.host": metrics_host,
            "log.level": log_level,
            "log.format": log_format,
        }
    )
    podwork_logging.configure(loaded.settings.log)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A line that a job prints goes out at once, into a file too: a child's end writes no buffers.
        sys.stdout.reconfigure(line_buffering=True)

    def started(start: WorkerStart) -> None:
        log.info("%s", start)
        if session.out.json:
            session.out.document(asdict(start))

    return run_workers(loaded.settings, pod_id, started)
