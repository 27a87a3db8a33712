"""How the end of a run gets from a job process to the processor that waits for it.

Owns: the forms of an end, and both ways: from the error that a run raised to words, and from words to the
error that the processor would have seen had it run the job itself. Promises: the retry policy and its hook
are asked in the job process, where the error itself is; the processor gets the decision, the fingerprint and
the traceback as text. A follow-up travels as the parcel that it is. Leaves to others: what follows from an
error (`Fates`).
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from podwork import retry, signals
from podwork.errors import PodworkError, ShopOnHold, StaleEpoch
from podwork.fingerprint import fingerprint_of
from podwork.parcel import Parcel

if TYPE_CHECKING:
    from podwork.context import JobContext
    from podwork.job import JobClass
    from podwork.lease import Lease

TRACE_CHARACTERS: Final = 20_000


class Succeeded(msgspec.Struct, tag=True):
    """It returned."""

    follow_ups: tuple[Parcel, ...] = ()


class Signalled(msgspec.Struct, tag=True):
    """It raised or returned a signal."""

    kind: str
    reason: str = ""
    after_seconds: float = 0.0
    quiet: bool = False


class WrongEpoch(msgspec.Struct, tag=True):
    """It found that its shop's epoch is stale."""

    shop_id: int
    epoch: int
    found: str
    text: str


class OnHold(msgspec.Struct, tag=True):
    """It found that its shop is being switched."""

    shop_id: int
    waited_seconds: float
    text: str


class Failed(msgspec.Struct, tag=True):
    """It failed, and this is what its retry policy says."""

    fate: Literal["Again", "Exhausted", "Dropped"]
    reason: str
    fingerprint: str
    trace: str
    after_seconds: float = 0.0


class NotBegun(msgspec.Struct, tag=True):
    """The process could not open what jobs need."""

    reason: str


What = Succeeded | Signalled | WrongEpoch | OnHold | Failed | NotBegun


class End(msgspec.Struct):
    """The end of one run; `pushed` is what it pushed meanwhile, as (queue, job class) each."""

    what: What
    pushed: list[tuple[str, str]] = []


class FailedElsewhere(Exception):
    """A job failed in its own process, and its retry policy has been asked there."""

    def __init__(self, decision: retry.Decision, fingerprint: str, trace: str) -> None:
        self.decision = decision
        self.fingerprint = fingerprint
        super().__init__(f"in the job's own process:\n{trace}")


class NoJobProcess(PodworkError):
    """Raised when no process can be had for a job just now."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no process for the job: {why}", "it is put off; look for a limit of processes")


class JobProcessDied(PodworkError):
    """Raised when a job's own process ended without having said how the job ended."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(f"its process {how}", "its stack, if it left one, stands in standard error")


encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(End).decode


def of_error(error: BaseException, lease: Lease, job_class: JobClass[Any]) -> What:
    """Return the words for a run that raised."""
    match error:
        case signals.Interrupted():
            return Signalled("Interrupted")
        case signals.Snooze():
            return Signalled("Snooze", speakable(error.reason), error.after_seconds, error.quiet)
        case signals.Discard() | signals.Cancel():
            kind = "Discard" if isinstance(error, signals.Discard) else "Cancel"
            return Signalled(kind, speakable(error.reason))
        case StaleEpoch():
            return WrongEpoch(error.shop_id, error.epoch, speakable(error.found), speakable(str(error)))
        case ShopOnHold():
            return OnHold(error.shop_id, error.waited_seconds, speakable(str(error)))
    return _failed(error, lease, job_class)


def come_back(what: What, context: JobContext) -> None:
    """Return if the run succeeded, with its follow-ups in the context; else raise what it raised."""
    match what:
        case Succeeded():
            msgspec.structs.force_setattr(context, "follow_ups", what.follow_ups)
        case Signalled(kind="Interrupted"):
            raise signals.Interrupted
        case Signalled(kind="Snooze"):
            raise signals.Snooze(what.after_seconds, what.reason, quiet=what.quiet)
        case Signalled():
            raise (signals.Discard if what.kind == "Discard" else signals.Cancel)(what.reason)
        case WrongEpoch():
            raise _with_text(StaleEpoch(what.shop_id, what.epoch, what.found), what.text)
        case OnHold():
            raise _with_text(ShopOnHold(what.shop_id, what.waited_seconds), what.text)
        case Failed():
            raise FailedElsewhere(_decision(what), what.fingerprint, what.trace)
        case NotBegun():
            raise NoJobProcess(what.reason)


def _failed(error: BaseException, lease: Lease, job_class: JobClass[Any]) -> Failed:
    now = time.time()
    failing_seconds = now - int(lease.extras.get("f", now * 1000)) / 1000
    decision = retry.decide(job_class.policy.retry, lease.attempts, error, failing_seconds)
    fingerprint, trace = fingerprint_of(lease.job_class, error), _trace_of(error)
    match decision:
        case retry.Again():
            reason = speakable(decision.error)
            return Failed("Again", reason, fingerprint, trace, decision.after_seconds)
        case retry.Dropped():
            return Failed("Dropped", speakable(decision.reason), fingerprint, trace)
        case retry.Exhausted():
            return Failed("Exhausted", speakable(decision.reason), fingerprint, trace)


def _decision(what: Failed) -> retry.Decision:
    match what.fate:
        case "Again":
            return retry.Again(what.after_seconds, what.reason)
        case "Dropped":
            return retry.Dropped(what.reason)
    return retry.Exhausted(what.reason)


def _trace_of(error: BaseException) -> str:
    """Return the traceback; the end of it if it is long, where the error is."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # a broken __str__ is the job's fault, not a reason to lose its failure
        text = retry.describe(error)
    return speakable(text)[-TRACE_CHARACTERS:]


def speakable(text: object) -> str:
    """Return the text without what UTF-8 cannot hold (the name of a file with odd bytes)."""
    return str(text).encode(errors="backslashreplace").decode()


def _with_text(error: Exception, text: str) -> Exception:
    error.args = (text,)  # a subclass of the application's packages may have said more
    return error
