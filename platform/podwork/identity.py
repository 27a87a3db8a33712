"""Names that are made once and never again: job ids and incarnations.

Owns their form. A job id is `{11 hex}{10 hex}-{shop}`: milliseconds since 1970, then a random start of
this process counted up, then the shop. It sorts by time, is unique without asking anybody, and says whose
job it is, so that a job is found by its id alone. A run of an iteration job has the id of the job that
started it; those that work on it beside that one have ids of their own, which say whose they are:
`{11 hex}{10 hex}.{k}-{shop}`, k from 1. The shop is what comes after the first dash, for scripts too. An
incarnation names one life of one process; a restarted process is another incarnation.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import socket
from collections.abc import Iterator, Sequence

from podwork import keys
from podwork.errors import PodworkError

_MASK = (1 << 40) - 1
_HEXADECIMAL = frozenset("0123456789abcdef")
_counter: Iterator[int] = itertools.count(secrets.randbits(40))


def _reseed() -> None:
    """Give a forked child its own numbers; it would otherwise repeat its parent's."""
    global _counter  # noqa: PLW0603 - one counter per process
    _counter = itertools.count(secrets.randbits(40))


os.register_at_fork(after_in_child=_reseed)


class InvalidJobId(PodworkError):
    """Raised when a text is not a job id."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text!r} is not a job id", "ids look like 01937d1f2ab4f06c1d9e2-330")


def new_job_id(now_ms: int, shop: str) -> str:
    """Return a new id for a job of the shop (its number as text, or `keys.POD_LANE`)."""
    return f"{now_ms:011x}{next(_counter) & _MASK:010x}-{shop}"


def new_job_ids(now_ms: int, shops: Sequence[int]) -> list[str]:
    """Return a new id for a job of each shop, in their order."""
    numbers = [number & _MASK for number in itertools.islice(_counter, len(shops))]
    parts = tuple(itertools.chain.from_iterable(zip(numbers, shops, strict=True)))
    # One formatting for all of them takes half the time of one for each.
    return (f"{now_ms:011x}%010x-%d " * len(shops) % parts).split()


def derived_job_id(moment_ms: int, shop: str, origin: str) -> str:
    """Return the id that only this origin has at this moment: whoever makes it again makes the same."""
    digest = hashlib.sha1(origin.encode(), usedforsecurity=False).hexdigest()[:10]
    return f"{moment_ms:011x}{digest}-{shop}"


def shop_text(job_id: str) -> str:
    """Return the shop's part of a job id: a number as text, or `pod`.

    Raises:
        InvalidJobId: the text does not have the form of a job id.
    """
    return _parts(job_id)[2]


def run_of(job_id: str) -> str:
    """Return the id of the run on which a job of this id works. Raises InvalidJobId."""
    head, _, shop = _parts(job_id)
    return f"{head}-{shop}"


def job_of_run(run_id: str, number: int) -> str:
    """Return the id of one of the jobs that work on a run; number 0 is the one that started it."""
    head, _, shop = _parts(run_id)
    return f"{head}.{number}-{shop}" if number else run_id


def pushed_at_seconds(job_id: str) -> float:
    """Return when the job was pushed, by the pusher's clock, in seconds since 1970."""
    shop_text(job_id)
    return int(job_id[:11], 16) / 1000


def _parts(job_id: str) -> tuple[str, str, str]:
    """Return what stands before the shop, the number of a further job of a run or nothing, and the shop."""
    name, dash, shop = job_id.partition("-")
    head, dot, number = name.partition(".")
    is_named = len(head) == 21 and set(head) <= _HEXADECIMAL
    is_numbered = not dot or (number.isascii() and number.isdecimal() and number[0] != "0")
    if not (dash and is_named and is_numbered) or not (shop == keys.POD_LANE or shop.isdecimal()):
        raise InvalidJobId(job_id)
    return head, number, shop


def new_incarnation() -> str:
    """Return a name for the life of this process that nothing else has had: `host:pid:random`."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
