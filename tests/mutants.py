"""Break each guard on purpose and see a test fail: `make mutants`, or `python -m tests.mutants [NAME ...]`.

Owns the list of guards that promises rest on. For each, a copy of the tree is made, the guard is taken out,
and the named tests are run on the copy; a mutant that survives is a promise that nothing watches. The
working tree is never touched. A test that fails with the guard in its place as well catches nothing: the tests
are run once without a mutant first, and only a test that failed, not a run that broke off, is a verdict.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import (
    mutants_bulk,
    mutants_changes,
    mutants_copy,
    mutants_ends,
    mutants_inspection,
    mutants_iteration,
    mutants_lint,
    mutants_migrations,
    mutants_migrations_cli,
    mutants_move_plans,
    mutants_mover,
    mutants_mover_debts,
    mutants_mover_rows,
    mutants_mover_tables,
    mutants_operators,
    mutants_outbox,
    mutants_plans,
    mutants_pods,
    mutants_processes,
    mutants_runs,
    mutants_schedules,
    mutants_transfer,
)

ROOT = Path(__file__).resolve().parent.parent
PASSED, FAILED = 0, 1  # pytest's exit codes; others say that nothing was tested
SOURCES = ("platform", "pods", "migrations_runner", "ops", "tests", "pyproject.toml", "README.md")


class Mutant(NamedTuple):
    """One guard: where it stands, what replaces it, and which tests must notice."""

    name: str
    file: str
    guard: str
    broken: str
    tests: str


SCRIPTS = "platform/podwork/scripts"
ENGINE = "tests/integration/test_engine_queues.py tests/integration/test_engine_client.py"
LIMITS = "tests/integration/test_engine_limits.py"
HOLDS = "tests/integration/test_engine_holds.py"
LOCKS = "tests/integration/test_engine_locks.py"
MEMORY = "tests/contract/test_testing_memory.py -k who"
HAND = "tests/integration/test_engine_interventions.py"
BEAT = "tests/integration/test_worker_heartbeat.py"
HANDING = "tests/integration/test_engine_handing.py"
MANAGER = "tests/integration/test_worker_manager.py"
EAR = "tests/unit/test_worker_ear.py"
AWAITING = "tests/unit/test_worker_awaiting.py"
SEAT = "tests/integration/test_worker_seat.py"
WORKER = "platform/podwork/worker"
LEASE = "if not has_lease(incarnation) then return false end"
NOT_HELD = "if not hold then return 0 end"


def _script(name: str, guard: str, broken: str = "", label: str = "", tests: str = ENGINE) -> Mutant:
    return Mutant(label or f"{name}: lease", f"{SCRIPTS}/{name}.lua", guard, broken, tests)


def _part(name: str, guard: str, broken: str, label: str, tests: str) -> Mutant:
    return Mutant(label, f"{SCRIPTS}/parts/{name}.lua", guard, broken, tests)


MUTANTS = [
    _script("claim", LEASE),
    _script("adopt", LEASE),
    _script("heartbeat", LEASE),
    _script("acknowledge", "if not hold then", "if false then"),
    *(_script(name, NOT_HELD) for name in ("retry", "bury", "park")),
    _script("forget", "if not let_go(incarnation, id) then return 0 end", "let_go(incarnation, id)"),
    _script("discard", "if not let_go(incarnation, id) then return 0 end", "let_go(incarnation, id)", "discard: lease", HAND),
    _script("complete", "if not let_go(incarnation, id) then return 0 end", "let_go(incarnation, id)", "complete: lease", LOCKS),
    _script("release", "  if hold then", "  do hold = hold or ''"),
    _script("start", NOT_HELD, "hold = hold or '1'", "start: lease", HAND + " " + ENGINE),
    _part("ending", "if not hold then return nil end", "hold = hold or '1'", "ending: every end begins with the hold", ENGINE),
    _script("prelude", "lease and tonumber(lease) > 0", "lease", "prelude: an ended lease stays ended"),
    _script("reclaim", "redis.call('ZREM', PROCESSES, incarnation)", "", "reclaim: the dead lose their lease"),
    _part("judging", "elseif reclaims >= poison and not", "elseif false and not", "reclaim: poison pill", ENGINE),
    _part("judging", " and not string.find(',' .. extras, ',i:', 1, true) then", " then", "reclaim: iteration jobs are no poison", ENGINE),
    _part("judging", "if now - since > window then", "if false then", "reclaim: window", ENGINE),
    _part("judging", "if reclaims == 0 or started or has_flag(hold, 'S') then reclaims = reclaims + 1 end", "reclaims = reclaims + 1", "reclaim: the innocent", ENGINE),
    _part("judging", "if has_flag(hold, 'O') then", "if false then", "reclaim: at most once", HAND),
    _script("reclaim", "if redis.call('GET', LEADER) == incarnation then", "if false then", "reclaim: a dead leader's place", BEAT),
    _part("claiming", "if gates[k] and", "if false and", "claim: closed gates", ENGINE),
    _part("claiming", "asked < TAKES_TWO and asked or math.ceil(asked / 2)", "asked", "claim: two of a shop", ENGINE),
    _part("claiming", "local quota = math.min(open, math.max(weight, math.floor(open * weight / ahead)))", "local quota = open", "claim: turns", ENGINE),
    _script("claim", "queue == left or stirred and redis.call('EXISTS', RING .. queue) == 1", "false", "claim: wakes the next", HANDING),
    _script("claim", "if room == 0 or channel == '' then\n  unlist(incarnation)\n", "if room == 0 or channel == '' then\n", "claim: who claims is idle no more", HANDING),
    _script("claim", "if room == 0 or", "if", "claim: who got all is not idle", HANDING),
    _script("adopt", "unlist(incarnation)\n", "", "adopt: who adopts is idle no more", HANDING),
    _script("deregister", "unlist(incarnation)\n", "", "deregister: listed nowhere", HANDING),
    _script("reclaim", "unlist(incarnation)\n", "", "reclaim: listed nowhere", HANDING),
    _script("reclaim", "  if redis.call('EXISTS', RING .. queue) == 1 then wake(queue) end\n", "", "reclaim: who was told and died", HANDING),
    _script("prelude", "redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0", "true", "idle: only who hears", HANDING),
    _script("prelude", " and has_lease(incarnation) then", " then", "idle: only who has a lease", HANDING),
    _part("handing", "got < room and not left and not stirred", "true", "handing: room is used up", HANDING),
    _part("handing", "if left then wake(left) end", "", "handing: what is left wakes the next", HANDING),
    _part("handing", "if redis.call('EXISTS', RING .. queue, HOLDS, LIMITS, WEIGHTS, GATE) > 0 then return false end", "", "handing: only what nothing stops goes straight", HANDING),
    _part("handing", "if room > 1 then keep_listed(incarnation, channel, room - 1, queues) else unlist(incarnation) end", "keep_listed(incarnation, channel, room - 1, queues)", "handing: room is used up, job by job", HANDING),
    Mutant("ear: what is adopted does not come twice", f"{WORKER}/intake.py", "self._ear.close()  # what", "pass  # what", MANAGER),
    Mutant("ear: an end of the line means adopting", f"{WORKER}/intake.py", "                self.deaf = True\n                raise\n", "                raise\n", f"{MANAGER} {SEAT}"),
    Mutant("seat: a job put while somebody sits stirs", f"{WORKER}/intake.py", "            self._ready.put(leases)\n            self._ear.stir()\n", "            self._ready.put(leases)\n", SEAT),
    Mutant("seat: what is ready is looked for in the seat", f"{WORKER}/intake.py", "if self._ready or not self._ear.listen():", "if not self._ear.listen():", SEAT),
    Mutant("seat: who leaves it lets the dispatcher listen", f"{WORKER}/ear.py", "        self._seat.release()\n        self._bell.ring()\n", "        self._seat.release()\n", SEAT),
    Mutant("seat: who is quiet does not sit", f"{WORKER}/manager.py", "if self._dry and self._claiming and self._ear.sit():", "if self._dry and self._ear.sit():", SEAT),
    Mutant("seat: a line that is closed is heard of", f"{WORKER}/manager.py", "self._ear.stir()  # who is quiet", "pass  # who is quiet", SEAT),
    Mutant("awaiting: a class waits for its migration", f"{WORKER}/awaiting.py", "if name not in waits}", "if True}", AWAITING),
    Mutant("awaiting: what is reverted waits again", f"{WORKER}/awaiting.py", "self._classes.pop(name, None)", "pass", AWAITING),
    Mutant("ear: an idle child looks for itself", f"{WORKER}/manager.py", "if self._dry and time.monotonic() >= self._look_at:", "if False:", MANAGER),
    Mutant("ear: who adopts claims again", f"{WORKER}/manager.py", "self._lost_answer = self._dry = False", "self._lost_answer = False", MANAGER),
    Mutant("ear: a hint is handed on", f"{WORKER}/manager.py", "self._queues.claim(self.life.incarnation, [name], 0)", "pass", MANAGER),
    Mutant("ear: a ring in a moment of waking is not lost", f"{WORKER}/bell.py", "poll(0 if self._rung else timeout_ms)", "poll(timeout_ms)", EAR),
    _part("claiming", "or holds and is_held(holds, queue, shop)", "", "claim: holds on lanes", HOLDS),
    _part("claiming", "not (holds and holds.queues[queue])", "true", "claim: holds on queues", HOLDS),
    _part("claiming", "if holds and holds.all then return {}, 0, nil, false end", "", "claim: holds on the pod", HOLDS),
    _part("claiming", "redis.call('LPUSH', ring, unpack(shops, k))", "", "claim: heavier shops lose nobody's place", HOLDS),
    _part("claiming", "if #back > 1 then table.insert(back, (table.remove(back, 1))) end", "", "claim: the remainder goes round", HOLDS),
    _part("claiming", "for _, id in ipairs(redis.call('LRANGE', LANE .. queue .. ':' .. shop, 0, 9)) do claim.freed[#claim.freed + 1] = id end", "", "claim: closed lanes keep no slot", LIMITS),
    _part("policies", "if till == '0' or tonumber(till) > now then", "if true then", "policies: a hold's time is over", HOLDS),
    _part("policies", "for _, hold in ipairs(holds.jobs) do", "for _, hold in ipairs({}) do", "policies: holds on classes", HOLDS),
    _part("policies", "if not free or redis.call('HEXISTS', ROOMS, '!limit:' .. key) == 1 then", "if false then", "policies: limits", LIMITS),
    _part("policies", "return breadth(one) < breadth(other)", "return breadth(one) > breadth(other)", "policies: the narrow limit first", LIMITS),
    _part("policies", "return (limit.shop == '*' and 4 or 0) +", "return (limit.shop == '*' and 0 or 0) +", "policies: a shop is narrower than a class", LIMITS),
    _part("policies", "    freed[#freed + 1] = id\n  else", "  else", "policies: slots of limits that do not fit any more", LIMITS),
    _part("slots", "if redis.call('SREM', PASSES .. key, id) == 1 then admit(key) end", "redis.call('SREM', PASSES .. key, id)", "slots: the next is let in", LIMITS),
    _part("slots", "and redis.call('SISMEMBER', OUTSIDE .. queue, shop) == 0", "", "slots: none for lanes outside", LIMITS + " tests/integration/test_engine_policies_fuzz.py"),
    _part("rooms", "if redis.call('EXISTS', lane) == 1 then redis.call('RPUSH', RING .. room, shop) end", "if redis.call('EXISTS', lane) == 1 then redis.call('LPUSH', RING .. room, shop) end", "rooms: shop by shop", LIMITS),
    _part("rooms", "if id and redis.call('HGET', PARKED, id) == room then", "if id then", "rooms: who has left is passed over", LIMITS + " tests/integration/test_engine_policies_fuzz.py"),
    _part("ending", "if not has_flag(hold, 'C') then return false end", "do return false end", "ending: cancelled stays cancelled", HAND),
    _part("ending", "if lock and string.match(lock, '^(%S+)') == id then", "if lock then", "ending: only one's own lock", LOCKS),
    _part("ending", "if waiting then enter(queue_of(record), shop, { waiting }) end", "", "ending: who waits for the end", LOCKS),
    _part("ending", "elseif extras.p then outlive(shop, extras.p, id) end", "end", "ending: of a period, too", MEMORY),
    _part("ending", "then unlock(shop, digest, id) else follow(shop, id) end", "then follow(shop, id) else unlock(shop, digest, id) end", "ending: a period outlives its job", MEMORY),
    _part("claiming", "'[uwsop]:'", "'[uwso]:'", "claim: a period's end is noted", MEMORY),
    _part("storing", "return redis.call('HEXISTS', JOBS .. shop, owner) == 1 and owner or nil", "return owner", "storing: a lock dies with its job", LOCKS),
    _part("storing", "if redis.call('HEXISTS', JOBS .. shop, id) == 1 then return { 'accepted', id } end", "", "storing: stands in one lane", LOCKS),
    _part("storing", "if owner and lock[3] ~= 'join' then", "if owner then", "storing: a forwarded job is never dropped", LOCKS),
    _part("storing", "if owner and lock[3] ~= 'join' then return yield(", "if false then return yield(", "storing: unique", LOCKS),
    _part("storing", "return tonumber(till) > now_ms() and owner or nil", "return owner", "storing: a period ends", LOCKS),
    _part("storing", "if waiting and redis.call('HGET', PARKED, waiting) == after then", "if false then", "storing: rescheduled once", LOCKS),
    _script("push_locked", "if refusal then return refusal end", "", "push_locked: gate", LOCKS),
    _script("alarm", "if till > now then", "if false then", "alarm: the longer hold", HOLDS),
    _script("limit", "if not theirs and", "if", "limit: an operator's word", LIMITS),
    _script("limit", "if key and string.match(key, '^(%S+)') == name then admit(key) end", "", "limit: raised limits let in", LIMITS),
    _script("cancel", "if wanted ~= '' and place ~= wanted then return place end", "", "cancel: only what was meant", HAND),
    _script("cancel", "redis.call('HINCRBY', SIZES, queue_of(record), -1)", "", "cancel: counts", HAND),
    _script("cancel", "  give_grant(id)", "", "cancel: a granted slot", LIMITS),
    _part("lanes", "redis.call('LREM', lane, 0, id)", "", "lanes: one lane", HAND),
    _script("revive", "lock_again(shop, id, extras_of(record))", "", "revive: the lock again", LOCKS),
    _part("gates", "if state == 'hold' then return { 'HOLD' } end", "", "push: hold", ENGINE),
    _part("gates", "if state == 'moved' then return { 'MOVED', pod, gate_epoch } end", "", "push: moved", ENGINE),
    _part("gates", "if epoch < gate_epoch then return { 'MOVED', pod, gate_epoch } end", "", "push: stale epoch", ENGINE),
    _part("gates", "if state == 'open' then return nil end", "do return nil end", "push: gate behind the directory", ENGINE),
    _script("push", "elseif fresh then", "elseif true then", "push: repetition"),
    _script("prelude", "if length == #ids then", "if true then", "prelude: one place in the ring"),
    _script("gate", "if epoch < gate_epoch or mover", "if mover", "gate: epochs only grow"),
    Mutant("client: follows MOVED", "platform/podwork/delivery.py", "self._moved += group", "pass", ENGINE),
    Mutant("client: waits on HOLD", "platform/podwork/delivery.py", "self._on_hold += group", "pass", ENGINE),
    Mutant(
        "client: repeats with deduplication",
        "platform/podwork/delivery.py",
        "refusals = queues.push(load.groups, fresh=False)",
        "refusals = queues.push(load.groups, fresh=True)",
        ENGINE,
    ),
    *(
        Mutant(*guard)
        for module in (
            mutants_bulk,
            mutants_ends,
            mutants_inspection,
    mutants_iteration,
            mutants_changes,
            mutants_copy,
            mutants_lint,
            mutants_migrations,
            mutants_migrations_cli,
            mutants_move_plans,
            mutants_mover,
            mutants_mover_debts,
            mutants_mover_tables,
            mutants_plans,
            mutants_mover_rows,
            mutants_operators,
            mutants_outbox,
            mutants_pods,
            mutants_processes,
            mutants_runs,
            mutants_schedules,
            mutants_transfer,
        )
        for guard in module.GUARDS
    ),
]  # fmt: skip


@cache
def run(tests: str, file: str = "", guard: str = "", broken: str = "") -> tuple[int, str]:
    """Run the tests on a copy without the guard; return pytest's code and the first test that failed."""
    with tempfile.TemporaryDirectory(prefix="podwork-mutant-") as folder:
        for name in SOURCES:
            source, target = ROOT / name, Path(folder) / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        if file:
            copy = Path(folder) / file
            copy.write_text(copy.read_text().replace(guard, broken, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", *tests.split()]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        failed = re.search(r"^(?:FAILED|ERROR) (tests/.*)$", ran.stdout, re.MULTILINE)
        return ran.returncode, failed[1] if failed else ran.stdout[-500:] + ran.stderr[-500:]


def judge(mutant: Mutant) -> str:
    """Return `caught` or `SURVIVED`, or why nothing can be said."""
    if mutant.guard not in (ROOT / mutant.file).read_text():
        return f"NO VERDICT: the guard is not in {mutant.file} any more; update the list"
    code, said = run(mutant.tests)
    if code != PASSED:
        return f"NO VERDICT: the tests fail with the guard in its place: {said}"
    code, said = run(mutant.tests, mutant.file, mutant.guard, mutant.broken)
    if code not in (PASSED, FAILED):
        return f"NO VERDICT: pytest ended with {code}: {said}"
    return "SURVIVED" if code == PASSED else f"caught by {said}"


def main(names: list[str]) -> int:
    """Print a line a mutant; exit 1 unless all are caught."""
    chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]
    caught = 0
    for mutant in chosen:
        began = time.monotonic()
        verdict = judge(mutant)
        caught += verdict.startswith("caught")
        sys.stdout.write(f"{mutant.name} ({time.monotonic() - began:.0f} s): {verdict}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{caught} of {len(chosen)} mutants caught\n")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
