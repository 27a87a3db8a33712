"""Names that are made once and never again: job ids and incarnations.

Owns their form. A job id is `{11 hex}{10 hex}-{shop}`: milliseconds since 1970, then a random start of
this process counted up, then the shop. It sorts by time, is unique without asking anybody, and says whose
job it is, so that a job is found by its id alone. An incarnation names one life of one process; a
restarted process is another incarnation.
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
    head, dash, shop = job_id.partition("-")
    hexadecimal = len(head) == 21 and all(digit in "0123456789abcdef" for digit in head)
    if not dash or not hexadecimal or not (shop == keys.POD_LANE or shop.isdecimal()):
        raise InvalidJobId(job_id)
    return shop


def pushed_at_seconds(job_id: str) -> float:
    """Return when the job was pushed, by the pusher's clock, in seconds since 1970."""
    shop_text(job_id)
    return int(job_id[:11], 16) / 1000


def new_incarnation() -> str:
    """Return a name for the life of this process that nothing else has had: `host:pid:random`."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
