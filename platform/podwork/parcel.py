"""A job that is ready to be sent: everything but the pod is settled.

Owns: `PushOptions`, `Parcel`, and the passage from a call and its options to a parcel: when it is due, when
it expires, which locks it asks for. Promises: what is wrong with them is said here, before anything is sent.
Leaves to others: arguments (`podwork.arguments`), the road (`podwork.delivery`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from podwork import identity, keys, record
from podwork.errors import InvalidRoute, InvalidTime
from podwork.interfaces import LARGEST_SHOP_ID
from podwork.job import JobClass
from podwork.unique import Lock, idempotency_lock

SHOP_IDS = range(LARGEST_SHOP_ID + 1)
"""What a shop's id may be: what a signed 64-bit column holds, from 0."""
NO_LOCKS: tuple[Lock, ...] = ()
ITERATION: Mapping[str, str] = {"i": "1"}
"""What the record of every iteration job says."""


class PushOptions(msgspec.Struct, frozen=True, gc=False):
    """What `enqueue` says beside the job's own arguments; see `JobClass.enqueue`."""

    in_: float | timedelta | None = None
    at: float | datetime | None = None
    expires_in: float | timedelta | None = None
    idempotency_key: str | None = None


class Parcel(NamedTuple):
    """A job on its way. `due_ms` of 0 is now; `locks` are asked for on arrival."""

    queue: str
    shop_id: int | None
    id: str
    job_class: str
    version: int
    args: bytes
    pushed_ms: int
    due_ms: int = 0
    extras: str = record.NO_EXTRAS
    locks: tuple[Lock, ...] = NO_LOCKS
    stored: bytes | None = None
    """The record to send as it is (a forwarded job keeps its attempts); None: a job that never ran."""
    at_most_once: bool = False
    """As its class declares: an outbox that is rebuilt must not start it a second time."""

    @property
    def shop(self) -> str:
        """The shop as keys name it."""
        return keys.POD_LANE if self.shop_id is None else str(self.shop_id)

    def record(self, epoch: int) -> bytes:
        """Return the record to store under the epoch."""
        if self.stored is not None:
            return self.stored
        prefix = record.payload_prefix(self.job_class, epoch, self.version)
        return record.encode_first(self.queue, self.due_ms or self.pushed_ms, prefix, self.args, self.extras)


def parcel_of(
    job_class: JobClass[Any],
    args: Mapping[str, Any],
    shop_id: int | None,
    now_ms: int,
    options: PushOptions | None = None,
) -> Parcel:
    """Return the parcel of one job; `args` are bound, not yet checked.

    Raises:
        InvalidRoute, InvalidArguments, InvalidTime: it cannot be sent like this.
    """
    # A key made of anything else would be read back by workers only, and end them.
    if shop_id is not None and (type(shop_id) is not int or shop_id not in SHOP_IDS):
        raise InvalidRoute(
            f"{job_class.name}: {shop_id!r} is no shop", "pass shop_id= as an integer from 0 to 2**63 - 1"
        )
    if shop_id is None and job_class.parameters.takes_shop_id:
        raise InvalidRoute(f"{job_class.name} takes a shop_id", "push it with shop_id=")
    encoded = job_class.parameters.encode(args)
    policy = job_class.policy
    job_id = identity.new_job_id(now_ms, keys.POD_LANE if shop_id is None else str(shop_id))
    plain = Parcel(job_class.queue, shop_id, job_id, job_class.name, policy.version, encoded, now_ms,
                   at_most_once=policy.at_most_once)  # fmt: skip
    is_plain = policy.unique is None and policy.expires_in_seconds is None and job_class.declaration is None
    if options is None and is_plain:
        return plain
    return _with_options(plain, job_class, args, options or PushOptions())


def _with_options(
    plain: Parcel, job_class: JobClass[Any], args: Mapping[str, Any], options: PushOptions
) -> Parcel:
    policy, extras, locks = job_class.policy, {}, []
    due_ms = _due_ms(job_class.name, options, plain.pushed_ms)
    if options.idempotency_key is not None:
        locks.append(idempotency_lock(f"{job_class.name} {options.idempotency_key}"))
    if policy.unique is not None:
        lock = policy.unique.lock(job_class.name, args)
        locks.append(lock)
        extras[policy.unique.tag] = lock.digest
    if job_class.declaration is not None:
        extras |= ITERATION
    expires_in = policy.expires_in_seconds if options.expires_in is None else options.expires_in
    if expires_in is not None:
        expires_ms = (due_ms or plain.pushed_ms) + _length_ms(job_class.name, "expires_in", expires_in)
        extras["x"] = str(expires_ms)
    return plain._replace(due_ms=due_ms, extras=record.write_extras(extras), locks=tuple(locks))


def _due_ms(name: str, options: PushOptions, now_ms: int) -> int:
    """Return when the job is due, ms since 1970; 0: at once, as for a time that has passed."""
    if options.in_ is not None and options.at is not None:
        raise InvalidTime(name, "in_= and at= say the same twice")
    due_ms = 0
    if options.in_ is not None:
        due_ms = now_ms + _length_ms(name, "in_", options.in_, least_ms=0)
    elif options.at is not None:
        due_ms = _moment_ms(name, options.at)
    return due_ms if due_ms > now_ms else 0


def _moment_ms(name: str, at: float | datetime) -> int:
    if isinstance(at, datetime):
        if at.tzinfo is None:
            raise InvalidTime(name, f"at={at} has no zone")
        return int(at.timestamp() * 1000)
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at) or at < 0:
        raise InvalidTime(name, f"at={at!r} is no moment")
    return int(at * 1000)


def _length_ms(name: str, option: str, length: float | timedelta, least_ms: int = 1) -> int:
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise InvalidTime(name, f"{option}={length!r} is no length of time")
    milliseconds = int(seconds * 1000)
    if milliseconds < least_ms or milliseconds > 10**14:
        raise InvalidTime(name, f"{option}={length!r} is {'too long' if milliseconds > 0 else 'in the past'}")
    return milliseconds
