"""What `podctl doctor` looks at: each thing that podwork needs, how it is, and what to do about it.

Promises: one check that fails hides none of the others; nothing is changed anywhere. Leaves to `doctor`:
showing the result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from podwork.errors import PodworkError
from podwork.settings import LoadedSettings
from podwork_ops.application import load_app
from podwork_ops.cli.config import unknown_variables
from podwork_ops.cli.failures import describe, where_settings_are
from podwork_ops.cli.finding import Finding, Verdict
from podwork_ops.cli.outbox_checks import outbox_findings
from podwork_ops.cli.output import plural
from podwork_ops.cli.redis_checks import redis_findings
from podwork_ops.cli.session import without_settings
from podwork_ops.cli.shard_checks import shard_findings
from podwork_ops.composition import Platform, open_platform
from podwork_ops.demo.installed import find_transactions, require_pyarrow
from podwork_ops.masking import mask
from podwork_pods import Pod


class Check(NamedTuple):
    """One row of the report."""

    check: str
    verdict: str
    found: str
    remedy: str


Findings = Iterator[Finding]


def run_checks(loaded: LoadedSettings) -> list[Check]:
    """Run every check, the pods' side by side."""
    rows = [
        *_checked("settings", lambda: _settings(loaded)),
        *_checked("application", lambda: _application(loaded)),
        *_checked("demo input", _demo),
    ]
    try:
        with open_platform(loaded.settings) as platform:
            return rows + _platform_checks(platform)
    except PodworkError as error:
        return [*rows, Check("platform", Verdict.FAIL, mask(error.what), error.remedy)]


def _platform_checks(platform: Platform) -> list[Check]:
    pods: list[Pod] = []
    rows = _checked("registry", lambda: _registry(platform, pods))
    rows += _checked("directory", lambda: _directory(platform, pods))
    if not pods:
        return rows
    with ThreadPoolExecutor(max_workers=min(16, len(pods))) as pool:
        for checks in pool.map(lambda pod: _pod(platform, pod), pods):
            rows += checks
    return rows


def _pod(platform: Platform, pod: Pod) -> list[Check]:
    return [
        *_checked(f"pod {pod.id} shard", lambda: shard_findings(platform.engine(pod.id), pod.id)),
        *_checked(f"pod {pod.id} redis", lambda: redis_findings(platform.topology.connections.store(pod.id))),
        *_checked(f"pod {pod.id} outbox", lambda: outbox_findings(platform, pod.id)),
        *_checked(f"pod {pod.id} workers", lambda: _workers(platform, pod)),
    ]


def _checked(name: str, look: Callable[[], Findings]) -> list[Check]:
    """Return the findings as rows; an error is a finding too, and ends this check only."""
    rows: list[Check] = []
    try:
        for verdict, found, remedy in look():
            rows.append(Check(name, verdict, mask(found), remedy))
    except PodworkError as error:
        rows.append(Check(name, Verdict.FAIL, mask(error.what), error.remedy))
    except Exception as error:
        what, _, remedy = describe(error)[0].rpartition(" - ")
        rows.append(Check(name, Verdict.FAIL, what, remedy))
    return rows


def _settings(loaded: LoadedSettings) -> Findings:
    chosen = sum(origin != "default" for origin in loaded.origins.values())
    where = loaded.file or "no settings file"
    found = f"{where}; {chosen} of {len(loaded.origins)} set, the others are defaults"
    if without_settings(loaded):
        yield Finding(Verdict.WARN, found, where_settings_are())
    else:
        yield Finding(Verdict.OK, found)
    for name, hint in unknown_variables(os.environ).items():
        yield Finding(Verdict.WARN, f"{name} is no setting", hint or "unset it, or see: podctl config view")


def _application(loaded: LoadedSettings) -> Findings:
    target = loaded.settings.app.target
    if not target:
        yield Finding(Verdict.WARN, "app.target is not set", "set it, or give workers their --app")
        return
    app = load_app(target)
    count = len(app.job_classes)
    verdict = Verdict.OK if count else Verdict.WARN
    known = f"{target} declares {plural(count, 'job')}"
    yield Finding(verdict, known, "" if count else "declare one with @app.job()")


def _demo() -> Findings:
    try:
        require_pyarrow()
        find_transactions()
    except PodworkError as error:
        yield Finding(Verdict.WARN, error.what, f"only podctl demo needs it: {error.remedy}")
        return
    yield Finding(Verdict.OK, "installed")


def _registry(platform: Platform, pods: list[Pod]) -> Findings:
    begun = time.perf_counter()
    pods += platform.pods()
    took = f"{(time.perf_counter() - begun) * 1000:.0f} ms"
    verdict = Verdict.OK if pods else Verdict.WARN
    remedy = "" if pods else "add one: podctl pods add --help"
    yield Finding(verdict, f"{plural(len(pods), 'pod')} at {platform.registry.address}, {took}", remedy)


def _directory(platform: Platform, pods: list[Pod]) -> Findings:
    shops = platform.directory.count_by_pod()
    verdict = Verdict.OK if shops else Verdict.WARN
    remedy = "" if shops else "assign one: podctl shops assign SHOP"
    yield Finding(verdict, f"{plural(sum(shops.values()), 'shop')} on {plural(len(shops), 'pod')}", remedy)
    homeless = set(shops) - {pod.id for pod in pods}
    if pods and homeless:
        numbers = ", ".join(map(str, sorted(homeless)))
        found = f"shops live on pods that are not registered: {numbers}"
        yield Finding(Verdict.FAIL, found, "add them: podctl pods add")


def _workers(platform: Platform, pod: Pod) -> Findings:
    processes = platform.inspection(pod.id).processes()
    live = [process for process in processes if process.lease_seconds > 0]
    silent = len(processes) - len(live)
    remedy = "" if live else f"start one: podctl workers --pod {pod.id}"
    yield Finding(Verdict.OK if live else Verdict.WARN, f"{len(live)} live", remedy)
    if silent:
        yield Finding(Verdict.WARN, f"{silent} silent", "a live worker of the pod reclaims what they held")
