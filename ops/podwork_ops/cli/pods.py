"""`podctl pods`: the registry of pods, read and changed.

Promises: a change that changes nothing exits 0 and says so; a pod that still owns shops or holds jobs is
not removed; passwords in URLs are never shown.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import click

from podwork_ops.cli.commands import Group
from podwork_ops.cli.output import Column, count, plural
from podwork_ops.cli.pod_options import pod_argument
from podwork_ops.cli.rebuild import rebuild
from podwork_ops.cli.session import Session, confirm, session
from podwork_ops.cli.values import POD, Label
from podwork_ops.composition import Platform
from podwork_ops.errors import PodConflict
from podwork_pods.errors import DirectoryUnavailable, RegistryUnavailable, UnknownPod
from podwork_pods.masking import mask_url
from podwork_pods.pod import Pod, PodState

COLUMNS = [
    Column("POD", "pod_id", right=True),
    Column("STATE", "state"),
    Column("SHOPS", "shops", count, right=True),
    Column("WEIGHT", "weight", right=True),
    Column("SHARD", "shard_url", wide=True),
    Column("REDIS", "redis_url", wide=True),
    Column("LABELS", "labels", wide=True),
]

pods = Group("pods", help="List, add, drain and change pods.")


@pods.command("list", examples=["podctl pods list", "podctl pods list -o json | jq '.pods[].pod_id'"])
@session
def list_pods(session: Session) -> None:
    """List the pods, with how many shops each owns."""
    with session.platform() as platform:
        shops = platform.directory.count_by_pod()
        rows = [pod_row(pod, shops.get(pod.id, 0)) for pod in platform.pods()]
    session.out.rows("pods", rows, COLUMNS, empty="no pods - add one: podctl pods add --help")


@pods.command("get", examples=["podctl pods get 7"])
@pod_argument
@session
def get(session: Session, pod_id: int) -> None:
    """Show one pod."""
    with session.platform() as platform:
        row = pod_row(platform.pod(pod_id), platform.directory.count_by_pod().get(pod_id, 0))
    session.out.record(row, COLUMNS)


@pods.command(
    "add",
    examples=[
        "podctl pods add --id 4 --shard-url mysql+pymysql://app@db4/shop --redis-url redis://redis4:6379/0",
        "podctl pods add --id 5 --shard-url sqlite:///pod-5.db --redis-url redis://localhost:6395/0 "
        "--weight 50 --label region=eu --dry-run",
    ],
)
@click.option("--id", "pod_id", type=POD, metavar="N", required=True, help="The pod's number.")
@click.option("--shard-url", required=True, help="The shard's database, an SQLAlchemy URL.")
@click.option("--redis-url", required=True, help="The pod's own Redis.")
@click.option(
    "--weight", type=click.IntRange(min=0), default=100, show_default=True, help="Share of new shops."
)
@click.option("--label", "labels", type=Label(), multiple=True, help="A label; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def add(
    session: Session,
    *,
    pod_id: int,
    shard_url: str,
    redis_url: str,
    weight: int,
    labels: tuple[tuple[str, str], ...],
    dry_run: bool,
) -> None:
    """Register a pod and prepare its shard; it is active at once."""
    wanted = Pod(pod_id, shard_url, redis_url, PodState.ACTIVE, weight, dict(labels))
    with session.platform() as platform:
        change = _is_new(platform, wanted)
        if not dry_run and change:
            platform.add_pod(wanted)
        elif not dry_run:
            platform.prepare_shard(pod_id)  # mends a shard that lost its tables
    _report(session, wanted, "added" if change else None, dry_run)


@pods.command(
    "set",
    examples=[
        "podctl pods set 3 --weight 50",
        "podctl pods set 3 --redis-url redis://redis3b:6379 --dry-run",
    ],
)
@pod_argument
@click.option("--shard-url", help="The shard's database, an SQLAlchemy URL.")
@click.option("--redis-url", help="The pod's own Redis.")
@click.option("--weight", type=click.IntRange(min=0), help="Share of new shops.")
@click.option("--label", "labels", type=Label(), multiple=True, help="A label; name= takes it away.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def set_pod(
    session: Session,
    *,
    pod_id: int,
    shard_url: str | None,
    redis_url: str | None,
    weight: int | None,
    labels: tuple[tuple[str, str], ...],
    dry_run: bool,
) -> None:
    """Change a pod's settings. Processes that run take new URLs when they are restarted."""
    with session.platform() as platform:
        pod = platform.pod(pod_id)
        given = {**pod.labels, **dict(labels)}
        wanted = replace(
            pod,
            shard_url=shard_url or pod.shard_url,
            redis_url=redis_url or pod.redis_url,
            weight=pod.weight if weight is None else weight,
            labels={name: value for name, value in given.items() if value},
        )
        if wanted != pod and not dry_run:
            platform.registry.put(wanted)
    _report(session, wanted, "changed" if wanted != pod else None, dry_run)


@pods.command("drain", examples=["podctl pods drain 3", "podctl pods drain 3 --dry-run"])
@pod_argument
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def drain(session: Session, pod_id: int, dry_run: bool) -> None:
    """Give a pod no new shops; those it owns go on trading until they are moved."""
    _set_state(session, pod_id, PodState.DRAINING, dry_run)


@pods.command("activate", examples=["podctl pods activate 3"])
@pod_argument
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def activate(session: Session, pod_id: int, dry_run: bool) -> None:
    """Make a pod active: it takes new shops again."""
    _set_state(session, pod_id, PodState.ACTIVE, dry_run)


@pods.command("remove", examples=["podctl pods remove 9 --yes", "podctl pods remove 9 --dry-run"])
@pod_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@session
def remove(session: Session, pod_id: int, yes: bool, dry_run: bool) -> None:
    """Forget a pod that owns no shop and holds no job. Its servers are left alone."""
    with session.platform() as platform:
        pod = platform.pod(pod_id)
        _refuse_removal(platform, pod)
        if not dry_run:
            confirm(f"remove pod {pod_id} from the registry", yes)
            platform.registry.remove(pod_id)
            with suppress(DirectoryUnavailable):  # without tables of plans there is nothing to forget
                platform.migrations.blocking.forget(pod_id, registered=False)
    _report(session, pod, "removed", dry_run)


pods.add_command(rebuild)


def pod_row(pod: Pod, shops: int) -> dict[str, Any]:
    """Return the pod as it is shown."""
    return {
        "pod_id": pod.id,
        "state": pod.state.value,
        "shops": shops,
        "weight": pod.weight,
        "shard_url": mask_url(pod.shard_url),
        "redis_url": mask_url(pod.redis_url),
        "labels": dict(pod.labels),
    }


def _is_new(platform: Platform, wanted: Pod) -> bool:
    """Say whether the pod is still to be added; refuse to change one that is there."""
    try:
        known = platform.pod(wanted.id)
    except (UnknownPod, RegistryUnavailable):  # an embedded registry is made by its first pod
        return True
    if replace(known, state=wanted.state) == wanted:
        return False
    raise PodConflict(
        f"pod {wanted.id} exists already, with other settings",
        f"see: podctl pods get {wanted.id}; change it with podctl pods set",
    )


def _refuse_removal(platform: Platform, pod: Pod) -> None:
    shops = platform.directory.count_by_pod().get(pod.id, 0)
    if shops:
        raise PodConflict(f"pod {pod.id} owns {plural(shops, 'shop')}", "move them away first")
    counts = platform.inspection(pod.id).counts()
    jobs = counts.ready + counts.scheduled + counts.held + counts.parked
    if jobs:
        raise PodConflict(f"pod {pod.id} holds {plural(jobs, 'job')}", "let its workers finish them first")
    rows = platform.topology.outbox_rows(pod.id).backlog().rows
    if rows:
        raise PodConflict(
            f"pod {pod.id} has {plural(rows, 'job')} in its outbox", "let its workers finish them first"
        )


def _set_state(session: Session, pod_id: int, state: PodState, dry_run: bool) -> None:
    with session.platform() as platform:
        pod = platform.pod(pod_id)
        change = pod.state is not state
        if change and not dry_run:
            platform.registry.set_state(pod_id, state)
            pod = platform.pod(pod_id)
    _report(session, pod, f"set to {state.value}" if change else None, dry_run)


def _report(session: Session, pod: Pod, change: str | None, dry_run: bool) -> None:
    if session.out.json:
        session.out.document(
            {
                "pod_id": pod.id,
                "state": pod.state.value,
                "changed": bool(change) and not dry_run,
                "dry_run": dry_run,
            }
        )
    elif change is None:
        session.out.message(f"pod {pod.id}: nothing to change")
    else:
        session.out.message(f"pod {pod.id}: {'would be ' if dry_run else ''}{change}")
