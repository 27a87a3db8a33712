"""The job in every log line that is written while it runs.

Owns: which facts of the current job a line carries, for both ways of logging: a filter of the standard
library's handlers, and a structlog processor. Promises: read when a line is written, not bound when a job
starts; a job that logs nothing pays nothing.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from podwork.context import current_job


def job_facts() -> dict[str, Any]:
    """Return what a log line says of the current job; empty outside of one."""
    job = current_job()
    if job is None:
        return {}
    return {
        "job_id": job.job_id,
        "job_class": job.job_class,
        "queue": job.queue,
        "shop_id": job.shop_id,
        "pod_id": job.pod_id,
        "attempt": job.attempt,
    }


class JobLogFilter(logging.Filter):
    """Adds the facts to records; put it on a handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the facts and let the record pass."""
        for name, value in job_facts().items():
            setattr(record, name, value)
        return True


def add_job_facts(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the facts to a structlog event; what the event says itself stays."""
    for name, value in job_facts().items():
        event.setdefault(name, value)
    return event
