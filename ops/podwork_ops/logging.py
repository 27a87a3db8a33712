"""How processes log: the standard library's loggers, rendered by structlog to standard error.

Owns: the format (`text` for people, `json` for machines, a record a line), the facts of the running job
on every record, and sweeping secrets out. Promises: standard output stays free for results; a library's
records look like ours. Nothing else in podwork knows structlog: modules use `logging.getLogger`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from podwork.settings import LogSettings
from podwork.worker.log_context import add_job_facts
from podwork_ops.masking import mask_value


@contextmanager
def _out_of_sight(module: str) -> Iterator[None]:
    """Let imports in the block find no such module, as if it were not installed."""
    already = {module: sys.modules[module]} if module in sys.modules else {}
    sys.modules[module] = None  # type: ignore[assignment]  # what the import system takes for "not there"
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(already)


# Where structlog finds rich it imports it, for tracebacks drawn in boxes, which we do not use: 3 MiB in every
# child of every worker.
with _out_of_sight("rich"):
    import structlog
    from structlog.types import EventDict, Processor, WrappedLogger

# Libraries that tell at INFO what only their authors want to know.
NOISY = ("alembic", "kazoo", "sqlalchemy", "sqlglot", "urllib3")

# Without the local variables: they hold what the application works on, and some of that is secret.
_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)
_TIMES = {"json": "iso", "text": "%Y-%m-%dT%H:%M:%SZ"}


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send every record of `settings.level` and above to `stream` (standard error)."""
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_log_level,
                *([structlog.stdlib.add_logger_name] if settings.format == "json" else []),
                structlog.processors.TimeStamper(fmt=_TIMES[settings.format], utc=True),
                add_job_facts,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings.format, colors=_colors(out)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def sweep(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask what looks like a secret, in the message, in the fields and in a traceback."""
    return {name: mask_value(name, value) for name, value in event.items()}


def _renderers(format_: str, *, colors: bool) -> list[Processor]:
    if format_ == "json":
        return [
            structlog.processors.EventRenamer("message"),
            _TRACEBACKS,
            sweep,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        structlog.processors.format_exc_info,
        sweep,
        structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, pad_level=False, sort_keys=False),
    ]


def _colors(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
