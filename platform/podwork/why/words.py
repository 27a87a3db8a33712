"""Each answer in words: one sentence that says who, where and until when, and one that says what to do.

Owns: the sentences and the facts that go with them. Promises: a sentence is one line; every number in it
stands in `details` as well. Leaves to others: which answer it is (`podwork.why.explain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from podwork.holds import ANY, Hold
from podwork.identity import shop_text
from podwork.inspection.states import JobState
from podwork.limits import LimitState
from podwork.why.facts import Facts, LimitFacts, Process
from podwork.why.reasons import Code, Why

SOME = 3


def not_here(facts: Facts, job_id: str) -> Why:
    """The pod has no record of it."""
    details: dict[str, Any] = {"shop": shop_text(job_id)}
    if facts.gate.state == "moved":
        details["pod_id"] = facts.gate.pod_id
        sentence = f"it is not here: its shop has moved to pod {facts.gate.pod_id}"
        return Why(Code.NOT_HERE, sentence, f"ask there: podctl jobs why {job_id}", details)
    sentence = "it is not here: it has ended (such jobs are not kept), or it is on another pod"
    return Why(Code.NOT_HERE, sentence, "check the id, and ask its shop's pod", details)


def in_outbox(facts: Facts, written: float) -> Why:
    """It is still in the shard."""
    since = span(facts.now - written)
    sentence = f"it has stood in the shard's outbox for {since}, and no worker has fetched it yet"
    if facts.live:
        remedy = "wait a second, and ask again; if it stays, see the workers' logs"
    else:
        remedy = f"start a worker: podctl workers --pod {facts.pod}"
    return Why(Code.IN_OUTBOX, sentence, remedy, {"since": written, "workers": len(facts.live)})


def dead(facts: Facts, job: JobState) -> Why:
    """It is in the dead set."""
    since = job.buried_at or facts.now
    sentence = f"it died {span(facts.now - since)} ago: {first_line(job.error) or 'nobody said why'}"
    remedy = f"mend the cause, then: podctl jobs retry {job.id}; or podctl jobs discard {job.id}"
    details = {"since": since, "error": job.error, "fingerprint": job.fingerprint, "attempts": job.attempts}
    return Why(Code.DEAD, sentence, remedy, details)


# In somebody's hands


def running(facts: Facts, job: JobState) -> Why:
    """A process has it."""
    details = _in_hands(facts, job)
    sentence = f"it has been running on {details['process']} for {span(facts.now - details['since'])}"
    if details["held"] > details["slots"] > 0:
        sentence += f", or waits there: {details['held']} jobs are held for {details['slots']} threads"
    return Why(Code.RUNNING, sentence, f"wait; or stop it: podctl jobs cancel {job.id}", details)


def cancelled(facts: Facts, job: JobState) -> Why:
    """A person has cancelled it while it was held."""
    details = _in_hands(facts, job)
    sentence = f"it is cancelled; it may still run on {details['process']}, and never again"
    return Why(Code.CANCELLED, sentence, "wait until its code stops by itself", details)


def silent(facts: Facts, job: JobState) -> Why:
    """The process that holds it has missed heartbeats."""
    details, holder = _in_hands(facts, job), holder_of(facts, job)
    left = max(0.0, holder.lease_seconds) if holder else 0.0
    seconds = holder.silent_seconds if holder else 0.0
    details |= {"silent_seconds": seconds, "lease_left_seconds": left}
    sentence = f"its process {details['process']} has been silent for {span(seconds)}"
    if any(process.incarnation != job.holder for process in facts.live):
        sentence += f"; the job is given back in about {span(left + _beat_seconds(facts))}"
        return Why(Code.LEASE_EXPIRED, sentence, "wait; look at that process's host and log", details)
    sentence += ", and no other worker lives that would give the job back"
    return Why(Code.LEASE_EXPIRED, sentence, f"start a worker: podctl workers --pod {facts.pod}", details)


# For later


def scheduled(facts: Facts, job: JobState) -> Why:
    """It is due later."""
    because = _why_later(job)
    left = job.due_at - facts.now
    due = f"it is due in {span(left)}, at {clock_time(job.due_at)}" if left > 0 else "it is due now"
    sentence = {
        "later": f"it was pushed for later: {due}",
        "snoozed": f"it has snoozed, {_times(job.snoozes)} so far: {due}",
        "interrupted": f"it could not run for a moment: {due}",
        "retry": f"it failed, {_times(job.attempts)} so far ({first_line(job.error)}), and is retried: {due}",
    }[because]
    remedy = (
        f"wait; or run it now: podctl jobs retry {job.id}"
        if left > 0
        else "wait: a worker queues it within a second"
    )
    details = {"because": because, "due_at": job.due_at, "attempts": job.attempts, "snoozes": job.snoozes}
    return Why(Code.SCHEDULED, sentence, remedy, details | ({"error": job.error} if job.error else {}))


# Paused, limited, unknown


def after(other: str) -> Why:
    """It is unique and comes after another job."""
    sentence = f"it is unique, and runs once {other} has ended"
    return Why(
        Code.AFTER_JOB, sentence, f"see why that one takes long: podctl jobs why {other}", {"job_id": other}
    )


def code_of(hold: Hold) -> Code:
    """Return what a hold stops, as the claim sorts holds: single jobs, lanes, a queue, or everything."""
    if hold.job_class != ANY:
        return Code.HELD_CLASS
    if hold.shop != ANY:
        return Code.HELD_SHOP
    return Code.HELD_QUEUE if hold.queue != ANY else Code.HELD_POD


def on_hold(facts: Facts, code: Code, hold: Hold) -> Why:
    """A person has paused it."""
    scope = [("queue", hold.queue), ("class", hold.job_class), ("shop", hold.shop)]
    what = " and ".join(f"{noun} {name}" for noun, name in scope if name != ANY) or "the pod"
    until = "until it is lifted" if hold.until is None else f"for {span(hold.until - facts.now)} more"
    sentence = f"{hold.owner} holds {what} {until}: {hold.reason}"
    details = {
        "hold": hold.name,
        "owner": hold.owner,
        "reason": hold.reason,
        "since": hold.since,
        "until": hold.until,
    }
    remedy = f"ask {hold.owner}; to lift it: podctl holds lift {hold.name} --pod {facts.pod}"
    return Why(code, sentence, remedy, details)


def gate(facts: Facts, job: JobState) -> Why:
    """The shop's gate is not open."""
    details = {"shop_id": job.shop_id, "epoch": facts.gate.epoch}
    if facts.gate.state in {"pausing", "hold"}:
        sentence = f"shop {job.shop_id} is being switched to another pod"
        return Why(Code.GATE_HOLD, sentence, f"wait; see: podctl shops locate {job.shop_id}", details)
    pod_id = facts.gate.pod_id
    sentence = (
        f"shop {job.shop_id} has moved to pod {pod_id} (epoch {facts.gate.epoch}); what is left here follows"
    )
    return Why(
        Code.GATE_MOVED,
        sentence,
        f"ask there: podctl jobs why {job.id} --pod {pod_id}",
        details | {"pod_id": pod_id},
    )


def limited(facts: Facts, limit: LimitFacts) -> Why:
    """A limit has nothing left."""
    state = limit.state
    assert state is not None  # a limit that is gone stops nobody
    details: dict[str, Any] = {"limit": limit.key, "amount": state.amount, "waiting": limit.waiting}
    scope = _scope(state, limit.key)
    waiting = f"; waiting for it: {limit.waiting}" if limit.waiting else ""
    remedy = f"wait; or allow more: podctl limits set; see: podctl limits list --pod {facts.pod}"
    if state.kind == "concurrency":
        details |= {"taken": limit.taken, "holders": limit.holders}
        who = ", ".join(limit.holders[:SOME]) + (", ..." if limit.taken > SOME else "")
        sentence = f"{scope} may run {state.amount} at once; {limit.taken} have a slot: {who}{waiting}"
        return Why(Code.LIMIT_CONCURRENCY, sentence, remedy, details)
    details |= {"per_seconds": state.per_seconds, "next_at": limit.free_at}
    following = f"the next in {span(limit.free_at - facts.now)}" if limit.free_at else "the next at once"
    sentence = f"{scope} may start {state.amount} in {span(state.per_seconds)}, {following}{waiting}"
    return Why(Code.LIMIT_RATE, sentence, remedy, details)


def letting_in(room: str) -> Why:
    """What stopped it is over, and nobody has let it in yet."""
    sentence = "what it waited for is over: a worker lets it in within moments"
    return Why(Code.LETTING_IN, sentence, "wait a second, and ask again", {"room": room})


def unknown(facts: Facts, job: JobState) -> Why:
    """No worker knows its class, or those that do wait for its migration."""
    if migration := next(filter(None, (process.awaits(job.job_class) for process in facts.live)), None):
        sentence = f"{job.job_class} requires migration {migration}, which this pod has not had"
        remedy = f"it runs as soon as that is applied: podctl migrations status --pod {facts.pod}"
        awaits = {"job_class": job.job_class, "migration": migration}
        return Why(Code.AWAITS_MIGRATION, sentence, remedy, awaits)
    kind = f"{job.job_class}, version {job.version}" if job.version > 1 else job.job_class
    revisions = sorted({process.fields.get("revision", "?") for process in facts.live})
    live = f"live revisions: {', '.join(revisions)}" if revisions else "none lives"
    details = {"job_class": job.job_class, "version": job.version, "revisions": revisions}
    remedy = f"deploy code that declares it; or: podctl jobs cancel {job.id}"
    return Why(Code.UNKNOWN_CLASS, f"no live worker knows {kind} ({live})", remedy, details)


# Workers


def nobody_lives(facts: Facts, but: str) -> Why:
    """Something is to be done for it, and no worker lives."""
    details = {"queue": facts.job.queue if facts.job else "", "queues": []}
    return Why(
        Code.NO_WORKER, f"{but}, but no worker lives", f"start one: podctl workers --pod {facts.pod}", details
    )


def no_worker(facts: Facts, queue: str) -> Why:
    """Nobody serves its queue."""
    served = sorted({name for process in facts.live for name in process.queues})
    live = f"those that live serve {', '.join(served)}" if served else "none lives"
    remedy = f"start one: podctl workers --pod {facts.pod} --queues {queue}"
    details = {"queue": queue, "queues": served}
    return Why(Code.NO_WORKER, f"no live worker serves queue {queue} ({live})", remedy, details)


def all_quiet(serving: Sequence[Process], queue: str, pod: str) -> Why:
    """Workers are there, and take nothing."""
    names = sorted(process.name for process in serving)
    who = (
        f"the only worker of queue {queue}"
        if len(names) == 1
        else f"all {len(names)} workers of queue {queue}"
    )
    sentence = f"{who} {'is' if len(names) == 1 else 'are'} quiet or stopping: {_some(names)}"
    remedy = f"start one, or let them go on: podctl processes resume --all --pod {pod}"
    return Why(Code.ALL_QUIET, sentence, remedy, {"queue": queue, "processes": names})


def busy(facts: Facts, job: JobState) -> Why:
    """Nothing stops it."""
    serving = [process for process in facts.serving(job.queue) if not process.is_quiet]
    slots = sum(int(process.fields.get("slots", 0)) for process in serving)
    taken = min(slots, sum(process.held for process in serving))
    before = _urgent(facts, serving, job.queue)
    position = facts.position
    details = {
        "ahead": position.ahead, "turns": position.turns, "shops": position.shops, "workers": len(serving),
        "threads": slots, "busy": taken, "urgent": before,
    }  # fmt: skip
    ahead = "more than can be counted" if position.ahead is None else f"{position.ahead:,}"
    sentence = (
        f"it waits for its turn in {job.queue}: jobs of its shop before it: {ahead}; "
        f"shops in the ring: {position.shops:,}; {taken} of {slots} threads have work"
    )
    if before:
        sentence += (
            f"; ready in queues before it: {_some([f'{name} {size:,}' for name, size in before.items()])}"
        )
    return Why(Code.WORKERS_BUSY, sentence, "wait; or start more workers", details)


def holder_of(facts: Facts, job: JobState) -> Process | None:
    """Return the process that holds the job."""
    return next((process for process in facts.processes if process.incarnation == job.holder), None)


# Small words


def span(seconds: float) -> str:
    """Write a length of time in one unit."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    for limit, unit_seconds, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def clock_time(seconds: float) -> str:
    """Write a moment as people compare it with their clocks and calendars; UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def first_line(text: str) -> str:
    """Return the first line of an error."""
    return text.partition("\n")[0]


def _in_hands(facts: Facts, job: JobState) -> dict[str, Any]:
    holder = holder_of(facts, job)
    fields = holder.fields if holder else {}
    return {
        "process": holder.name if holder else job.holder,
        "incarnation": job.holder,
        "since": job.claimed_at or facts.now,
        "revision": fields.get("revision", ""),
        "held": holder.held if holder else 0,
        "slots": int(fields.get("slots", 0)),
    }


def _why_later(job: JobState) -> str:
    if job.attempts and job.error:
        return "retry"
    if job.snoozes:
        return "snoozed"
    return "interrupted" if job.interruptions else "later"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _beat_seconds(facts: Facts) -> float:
    """How long it takes, at most, until somebody's heartbeat hears that a lease has ended."""
    return max((int(process.fields.get("lease_ms", 0)) / 3000 for process in facts.live), default=0.0)


def _scope(state: LimitState, key: str) -> str:
    """Name what a limit is for; a limit for each shop has the shop at the end of its key."""
    shop = key.rpartition(" ")[2] if state.shop == "each" else state.shop
    parts = [("class", state.job_class), ("queue", state.queue), ("shop", shop)]
    return " and ".join(f"{noun} {name}" for noun, name in parts if name != ANY) or "the pod"


def _urgent(facts: Facts, serving: Sequence[Process], queue: str) -> dict[str, int]:
    """Return the ready jobs of queues that every worker of the queue looks into first."""
    before = [set(process.queues[: process.queues.index(queue)]) for process in serving]
    names = set.intersection(*before) if before else set()
    return {name: facts.sizes[name] for name in sorted(names) if facts.sizes.get(name, 0) > 0}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SOME]) + (", ..." if len(names) > SOME else "")
