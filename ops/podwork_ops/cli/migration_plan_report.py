"""A plan as `podctl migrations plan` shows it: its migrations, its waves, what the linter says.

Leaves to others: making it (`migration_plan`), how it goes (`migration_status`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from podwork_migrations.library import Library
from podwork_migrations.plan.making import Proposal
from podwork_migrations.plan.plan import Plan, PlanOptions
from podwork_ops.cli.migration_evidence import Evidence
from podwork_ops.cli.migration_findings import document_of as findings_document
from podwork_ops.cli.migration_findings import refused, summary
from podwork_ops.cli.migration_findings import write as write_findings
from podwork_ops.cli.output import Column, Output, plural, span
from podwork_ops.masking import mask

VERSION_COLUMNS = [
    Column("MIGRATION", "id"),
    Column("KIND", "kind"),
    Column("PHASE", "phase"),
    Column("LEG", "leg", right=True),
    Column("PODS", "pods"),
    Column("ROUTE", "route"),
    Column("LINT", "lint"),
    Column("WHY", "why", wide=True),
]
WAVE_COLUMNS = [
    Column("WAVE", "name"),
    Column("PODS", "count", right=True),
    Column("WHICH", "which", wide=True),
    Column("THEN WATCHED", "watch_seconds", span, right=True),
    Column("BLOCKED", "blocked_words", wide=True),
]


class Draft(NamedTuple):
    """A plan to be shown. `plan`: as it is stored; None: it is not."""

    plan: Plan | None
    proposal: Proposal
    library: Library
    evidence: Evidence


def document_of(draft: Draft) -> dict[str, Any]:
    """Return what `-o json` prints."""
    plan, findings = draft.plan, draft.evidence.findings
    options = plan.options if plan else draft.proposal.options
    return {
        "plan": plan.number if plan else None,
        "state": plan.state.value if plan else None,
        "digest": plan.digest if plan else None,
        "canary": draft.proposal.canary,
        "max_migrating_pods": options.max_migrating_pods,
        "waves": _wave_rows(draft.proposal, options),
        "migrations": _version_rows(draft),
        "lint": findings_document([each.id for each in draft.proposal.versions], findings),
        "looked_at_pod": None if draft.evidence.silence else draft.evidence.pod_id,
    }


def write(out: Output, draft: Draft) -> None:
    """Write it."""
    if out.json:
        out.document(document_of(draft))
        return
    plan, evidence = draft.plan, draft.evidence
    options = plan.options if plan else draft.proposal.options
    rows = _version_rows(draft)
    out.write(f"{_title(draft)}\n\n")
    out.rows("migrations", rows, _used(VERSION_COLUMNS, rows, {"leg", "pods", "why"}))
    out.write("\n")
    waves = _wave_rows(draft.proposal, options)
    out.rows("waves", waves, _used(WAVE_COLUMNS, waves, {"blocked_words", "watch_seconds"}))
    out.write(f"\nat most {options.max_migrating_pods} at the same time\n")
    if evidence.findings:
        out.write("\n")
        write_findings(out, evidence.findings)
    out.message(summary([each.id for each in draft.proposal.versions], evidence.findings))
    if evidence.silence is not None:
        out.message(f"pod {evidence.pod_id} could not be looked at: {mask(str(evidence.silence))}")


def _title(draft: Draft) -> str:
    if draft.plan is None:
        return f"a plan that is not stored; looked at on pod {draft.evidence.pod_id}"
    plan = draft.plan
    words = [f"plan {plan.number}", plan.state.value, f"signed {plan.digest[:12]}"]
    words += [plan.purpose] if plan.purpose else []
    return f"{', '.join(words)}; looked at on pod {draft.evidence.pod_id}"


def _version_rows(draft: Draft) -> list[dict[str, Any]]:
    rows, evidence = [], draft.evidence
    no = set(refused(evidence.findings))
    several = len({each.leg for each in draft.proposal.versions}) > 1
    for each in draft.proposal.versions:
        migration, route = draft.library[each.version], evidence.routes.get(each.version)
        said = sum(found.finding.migration == each.id for found in evidence.findings)
        rows.append(
            {
                "id": each.id,
                "version": each.version,
                "kind": each.kind,
                "phase": migration.phase.value,
                "leg": each.leg + 1 if several else None,
                "pods": list(each.pods) if each.pods is not None else None,
                "finalizes": list(each.finalizes),
                "route": ("data" if each.kind == "data" else "?")
                if route is None or not route.name
                else route.name,
                "why": route.why if route else None,
                "lint": "refused" if each.id in no else (plural(said, "finding") if said else "ok"),
            }
        )
    return rows


def _wave_rows(proposal: Proposal, options: PlanOptions) -> list[dict[str, Any]]:
    of_wave: dict[int, list[int]] = defaultdict(list)
    for pod_id, wave in proposal.waves.items():
        of_wave[wave].append(pod_id)
    return [
        {
            "wave": wave,
            "name": "canary" if wave == 0 else str(wave),
            "count": len(pods),
            "pods": sorted(pods),
            "which": ranges(pods),
            "watch_seconds": (options.watch_seconds(wave) or None) if wave < len(of_wave) - 1 else None,
            "blocked": {pod: why for pod, why in proposal.blocked.items() if pod in pods},
            "blocked_words": _blocked(proposal.blocked, pods),
        }
        for wave, pods in sorted(of_wave.items())
    ]


def _blocked(blocked: Mapping[int, str], pods: Sequence[int]) -> str:
    return "; ".join(f"pod {pod}: {why}" for pod, why in sorted(blocked.items()) if pod in pods)


def _used(columns: Sequence[Column], rows: Sequence[dict[str, Any]], sparse: set[str]) -> list[Column]:
    """Leave out those of `sparse` in which nothing stands."""
    return [column for column in columns if column.key not in sparse or any(row[column.key] for row in rows)]


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers shortly: 1-4, 7, 9-12."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
