"""The questions, in their order, and which of them is answered with yes first.

| the job is | asked, in this order |
| --- | --- |
| held | is it cancelled, is its process silent |
| scheduled | is it due, and does anybody live to queue it |
| parked | does what its room is named after still stand; if not, does anybody live to let it in |
| ready | what the claim asks: hold on the pod, on the queue, gate, hold on the shop, on the class, limits |
| | then: does a worker serve its queue, does one know its class, are all of them quiet |

Owns: that order. The first questions to a ready job are those of `scripts/claim.lua`, and are put
with its functions (`scripts/why.lua`); a test compares the answers with what a claim does. Leaves to others:
the facts (`podwork.why.facts`), the words (`podwork.why.words`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from podwork import identity
from podwork.inspection.states import JobState
from podwork.store import Store
from podwork.why import words
from podwork.why.facts import Facts, LimitFacts, Process, ask
from podwork.why.reasons import Code, Why

Outbox = Callable[[str], float | None]


def explain(store: Store, job_id: str, *, pod_id: int | None = None, outbox: Outbox | None = None) -> Why:
    """Return the one thing that a job waits for, at this moment.

    Args:
        store: the pod's Redis. job_id: a whole id.
        pod_id: the pod's number, so that remedies can name it.
        outbox: asked about a job that is not here: when it was written into the shard's outbox, if it still
            waits there (seconds since 1970), or None.

    Costs one script: what there is of processes, holds and limits, and a look through the job's lane.

    Raises:
        InvalidJobId: the text is not a job id.
        StoreUnavailable: Redis does not answer.
    """
    identity.shop_text(job_id)
    facts = ask(store, job_id)
    if pod_id is not None:
        facts = facts._replace(pod=str(pod_id))
    job = facts.job
    if job is None:
        written = outbox(job_id) if outbox is not None else None
        return words.not_here(facts, job_id) if written is None else words.in_outbox(facts, written)
    match job.state:
        case "dead":
            return words.dead(facts, job)
        case "held":
            return _held(facts, job)
        case "scheduled":
            return _scheduled(facts, job)
        case "parked":
            return _parked(facts, job)
    first, *others = [*_obstacles(facts, job)] or [words.busy(facts, job)]
    return first._replace(also=tuple(other.code for other in others))


def _held(facts: Facts, job: JobState) -> Why:
    if job.is_cancelled:
        return words.cancelled(facts, job)
    holder = words.holder_of(facts, job)
    return words.silent(facts, job) if holder is None or holder.is_silent else words.running(facts, job)


def _scheduled(facts: Facts, job: JobState) -> Why:
    if job.due_at <= facts.now and not facts.live:
        return words.nobody_lives(facts, f"it was due {words.span(facts.now - job.due_at)} ago")
    return words.scheduled(facts, job)


def _parked(facts: Facts, job: JobState) -> Why:
    kind, _, what = job.room.removeprefix("!").partition(":")
    if kind == "after":
        return words.after(what)
    if kind == "unknown" and not any(
        process.knows(job.job_class, job.version) for process in _informed(facts)
    ):
        return words.unknown(facts, job)
    if kind == "hold" and (hold := next((one for one in facts.holds if one.name == what), None)):
        return words.on_hold(facts, Code.HELD_CLASS, hold)
    if kind == "limit" and (limit := facts.limits[0]).state is not None and not limit.is_free:
        return words.limited(facts, limit)
    if not facts.live:
        return words.nobody_lives(facts, "what it waited for is over")
    return words.letting_in(job.room)


def _informed(facts: Facts) -> list[Process]:
    """Return the live processes that say what they know: only they take a job out of its room."""
    return [process for process in facts.live if "classes" in process.fields]


def _obstacles(facts: Facts, job: JobState) -> Iterator[Why]:
    """Yield all that would stop a ready job, in the order in which it would meet them."""
    yield from _holds(facts, Code.HELD_POD)
    yield from _holds(facts, Code.HELD_QUEUE)
    if facts.gate.state != "open":
        yield words.gate(facts, job)
    shop_holds = list(_holds(facts, Code.HELD_SHOP))
    yield from shop_holds
    if facts.position.is_outside and facts.gate.state == "open" and not shop_holds and facts.live:
        yield words.letting_in("the hold on its shop")
    yield from _holds(facts, Code.HELD_CLASS)
    yield from (words.limited(facts, limit) for limit in facts.limits if _stops(limit))
    yield from _workers(facts, job)


def _holds(facts: Facts, code: Code) -> Iterator[Why]:
    yield from (words.on_hold(facts, code, hold) for hold in facts.holds if words.code_of(hold) is code)


def _stops(limit: LimitFacts) -> bool:
    # Who waits in the limit's room comes before who stands in a lane, also when a slot has just come free.
    return not limit.has_slot and (not limit.is_free or limit.waiting > 0)


def _workers(facts: Facts, job: JobState) -> Iterator[Why]:
    serving = facts.serving(job.queue)
    if not serving:
        yield words.no_worker(facts, job.queue)
        return
    if not any(process.knows(job.job_class, job.version) for process in serving):
        yield words.unknown(facts, job)
    if all(process.is_quiet for process in serving):
        yield words.all_quiet(serving, job.queue, facts.pod)
