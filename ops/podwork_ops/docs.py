"""Makes the documents that are tables of the code: `python -m podwork_ops.docs`.

Owns: `ops/docs/settings.md`, `metrics.md`, `exit-codes.md` and `migration-lint.md`. Promises: the same code
makes the same bytes; a test fails while a file on disk differs. Leaves to people: every other document.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from podwork import settings
from podwork.observation import DURATION_BUCKETS_SECONDS, WAIT_BUCKETS_SECONDS
from podwork_migrations.lint import CATALOGUE, Dialect, Example, Rule
from podwork_ops.errors import MEANINGS
from podwork_ops.exit_code_table import EXIT_CODES
from podwork_ops.metrics import table

DIRECTORY = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made by `python -m podwork_ops.docs`; do not edit. -->"


def settings_page() -> str:
    """Return the settings, section by section."""
    parts = [
        "# Settings",
        MADE,
        "A value comes from the first of these that has it: a command line flag, the environment, the "
        "settings file, the default. The file is the one named by `--config`, else by the environment "
        f"variable `PODWORK_CONFIG`, else `{settings.DEFAULT_FILE}` in the working directory. Its sections "
        "are the headings below. In the environment a list is written with commas. `podctl config view` "
        "shows every value and where it came from; `podctl config validate` checks a file.",
    ]
    sections = {field.name: field.type for field in msgspec.structs.fields(settings.Settings)}
    for section, described in sections.items():
        rows = [row for row in settings.table() if row.key.startswith(f"{section}.")]
        parts += [
            f"## [{section}]",
            (described.__doc__ or "").strip(),
            _grid(
                ("key", "environment", "default", "meaning"),
                [
                    (f"`{row.key}`", f"`{row.environment}`", _toml(row.default), row.description)
                    for row in rows
                ],
            ),
        ]
    return _page(parts)


def metrics_page() -> str:
    """Return every metric of a worker with type, labels and help."""
    metrics = [
        (f"`{row.full_name}`", row.kind.value, ", ".join(f"`{label}`" for label in row.all_labels), row.help)
        for row in table.WORKER_METRICS
    ]
    return _page(
        [
            "# Metrics",
            MADE,
            "A worker (`podctl workers`) serves these under `/metrics` when `metrics.port` is set. The "
            "supervisor adds up what its children observe; there is one registry and no directory of files. "
            "On Linux, prometheus-client's `process_*` metrics describe the supervisor itself.",
            "What a worker counts as enqueued is what its own jobs pushed and a pod accepted.",
            "What describes the pod as a whole comes from one worker at a time: that of the child that "
            "leads the pod, looked up every ten seconds. When the leader changes, the series move to its "
            "worker: take the maximum over the pod's workers. "
            "Of scheduled, parked and dead jobs only the pod's totals are known: counting them by queue "
            "would cost as much as there are of them.",
            _grid(("metric", "type", "labels", "meaning"), metrics),
            f"Labels are bounded: the first {table.MAX_JOB_CLASSES} job classes and the first "
            f"{table.MAX_QUEUES} queues have a series of their own, the others share `{table.OTHER}`; the "
            f"first {table.MAX_SCHEDULES} schedules by name have series, the others have none. No "
            "label ever carries a shop, a job, a host or an error's text; those belong into logs.",
            "## Outcomes of an attempt",
            _grid(
                ("`outcome`", "meaning"),
                [(f"`{name}`", meaning) for name, meaning in table.OUTCOMES.items()],
            ),
            "## Buckets",
            _grid(
                ("histogram", "upper bounds in seconds"),
                [
                    (f"`{table.JOB_DURATION.full_name}`", _bounds(DURATION_BUCKETS_SECONDS)),
                    (f"`{table.QUEUE_WAIT.full_name}`", _bounds(WAIT_BUCKETS_SECONDS)),
                ],
            ),
        ]
    )


def exit_codes_page() -> str:
    """Return podctl's exit codes, their meaning, and the errors that lead to each."""
    rows = []
    for code, meaning in MEANINGS.items():
        errors = [f"`{name}`" for name, of in EXIT_CODES.items() if of is code]
        rows.append((str(code.value), meaning, ", ".join(errors)))
    return _page(
        [
            "# Exit codes of podctl",
            MADE,
            "A message is one line on standard error, with what to do; data goes to standard output.",
            _grid(("code", "meaning", "errors"), rows),
        ]
    )


def migration_lint_page() -> str:
    """Return the linter's rules, each with its reason, what to do instead, and an example of either."""
    parts = [
        "# Rules for migrations",
        MADE,
        f"{len(CATALOGUE)} rules judge every migration: in the application's own tests, and before a plan "
        "starts. **Refuse**: the migration does not run. **Route**: it runs the way that the rule names. "
        "**Warn**: it runs; somebody should know. Rules look at Alembic's operations, and at what sqlglot "
        "reads in SQL.",
        "What depends on a table (how many rows, which keys, whether a column has NULLs) is decided with the "
        "facts of a shard. Without them the rule warns and says what would have to be known.",
        "A migration may break a rule that can be overridden, with a reason that goes into the pod's ledger:",
        '```python\n@schema(override={"drop-column": "no code has used it since May"})\n'
        'def up(op):\n    op.drop_column("orders", "note")\n```',
    ]
    for title, rules in CATALOGUE.groups.items():
        heads = ("rule", "what it does", "databases")
        rows = [(f"[`{rule.code}`](#{rule.code})", rule.says, _databases(rule.dialects)) for rule in rules]
        parts += [f"## {title}", _grid(heads, rows)]
        for rule in rules:
            parts += _rule(rule)
    return _page(parts)


def _rule(rule: Rule) -> list[str]:
    kept = rule.dialects - rule.overridable
    return [
        f"### {rule.code}",
        f"{rule.title}.",
        f"**Why.** {rule.why}",
        f"**Instead.** {rule.alternative}",
        *([f"**Differences.** {rule.differs}"] if rule.differs else []),
        *([f"It cannot be overridden on {_databases(kept)}."] if kept else []),
        _example("Found", rule.bad),
        _example("Not found", rule.good),
    ]


def _example(verdict: str, example: Example) -> str:
    given = f" (given: {example.given})" if example.given else ""
    return f"{verdict}{given}:\n\n```python\n{example.text}\n```"


def _databases(dialects: frozenset[Dialect]) -> str:
    return ", ".join(dialect.label for dialect in Dialect if dialect in dialects)


DOCUMENTS: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "exit-codes.md": exit_codes_page,
    "migration-lint.md": migration_lint_page,
}


def write(directory: Path = DIRECTORY) -> list[Path]:
    """Write every document that differs from its file; return the files written."""
    written = []
    for name, make in DOCUMENTS.items():
        path, text = directory / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _grid(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _toml(value: Any) -> str:
    return f"`{msgspec.json.encode(value).decode()}`"


def _bounds(buckets: tuple[float, ...]) -> str:
    return ", ".join(f"{bound:g}" for bound in buckets)


if __name__ == "__main__":
    if not DIRECTORY.is_dir():
        sys.exit(f"no folder {DIRECTORY} - run this from a checkout of the repository")
    for changed in write():
        sys.stdout.write(f"{changed.name}\n")
