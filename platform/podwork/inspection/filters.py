"""Which jobs are meant: a filter, and the question whether a record fits it.

Owns: `Filter`, and `Matcher`, which answers from a record as Redis has it, without decoding what no part of
the filter asks for. Leaves to others: finding the jobs (`podwork.inspection.walk`).
"""

from __future__ import annotations

import hashlib

import msgspec

from podwork import record
from podwork.errors import PodworkError
from podwork.inspection.reading import fingerprint_of
from podwork.inspection.states import STATES, State

_encode = msgspec.json.Encoder(order="deterministic").encode


class InvalidFilter(PodworkError):
    """Raised when a filter can fit no job."""


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Jobs that fit every part that is given.

    Attributes:
        states: in which they stand; none: in any. queue, job_class: exactly so. shop: a shop's number as
        text, or `pod` for work without a shop. fingerprint: of the last error. text: somewhere in id, class,
        arguments or error; case does not matter. prefix: the beginning of the id.
    """

    states: tuple[State, ...] = ()
    queue: str | None = None
    job_class: str | None = None
    shop: str | None = None
    fingerprint: str | None = None
    text: str | None = None
    prefix: str | None = None

    @property
    def wanted_states(self) -> tuple[State, ...]:
        """The states to look into, in the order of lists."""
        return tuple(state for state in STATES if not self.states or state in self.states)

    @property
    def is_narrow(self) -> bool:
        """Whether anything but states is asked for."""
        return self != Filter(self.states)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits: equal filters have equal ones."""
        return hashlib.sha1(_encode(self), usedforsecurity=False).hexdigest()[:8]

    def check(self) -> None:
        """Raise InvalidFilter if it cannot be meant so."""
        strangers = set(self.states) - set(STATES)
        if strangers:
            raise InvalidFilter(
                f"no job is {', '.join(sorted(strangers))}", f"the states are: {', '.join(STATES)}"
            )
        if self.shop is not None and self.shop != "pod" and not self.shop.isdecimal():
            raise InvalidFilter(f"{self.shop!r} is no shop", "give a number, or pod for work without a shop")


class Matcher:
    """Answers for one filter."""

    def __init__(self, wanted: Filter) -> None:
        self._wanted = wanted
        self._text = None if wanted.text is None else wanted.text.lower()
        self._class = None if wanted.job_class is None else b'{"class":%b,' % _encode(wanted.job_class)
        self._queue = None if wanted.queue is None else wanted.queue.encode()
        self._reads_record = any((self._class, self._queue, wanted.fingerprint))

    def fits(self, job_id: str, stored: bytes) -> bool:
        """Return whether the job with this record is meant; its state is not asked."""
        wanted = self._wanted
        if wanted.prefix is not None and not job_id.startswith(wanted.prefix):
            return False
        if wanted.shop is not None and job_id.partition("-")[2] != wanted.shop:
            return False
        if self._text is not None and self._text not in job_id and self._text not in _lower(stored):
            return False
        return not self._reads_record or self._fits_record(stored)

    def _fits_record(self, stored: bytes) -> bool:
        parts = stored.split(b" ", 7)
        if len(parts) < 8:
            return False
        if self._queue is not None and parts[1] != self._queue:
            return False
        if self._class is not None and not parts[7].startswith(self._class):
            return False
        return self._wanted.fingerprint in (None, _fingerprint(stored))


def _lower(stored: bytes) -> str:
    return stored.decode(errors="replace").lower()


def _fingerprint(stored: bytes) -> str:
    try:
        head, encoded, error = record.split(stored)
        return fingerprint_of(head, record.decode_payload(encoded).job_class, error)
    except (ValueError, msgspec.DecodeError):
        return ""
