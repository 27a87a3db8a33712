"""Break each guard on purpose and see a test fail: `make mutants`, or `python -m tests.mutants [NAME ...]`.

Owns the list of guards that promises rest on. For each, a copy of the tree is made, the guard is taken out,
and the named tests are run on the copy; a mutant that survives is a promise that nothing watches. The
working tree is never touched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.mutants_pods import GUARDS

ROOT = Path(__file__).resolve().parent.parent
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
NOT_HELD = "if redis.call('HDEL', HELD .. incarnation, id) == 0 then return 0 end"
FORGET_HELD = "redis.call('HDEL', HELD .. incarnation, id)"
LEASE = "if not has_lease(incarnation) then return false end"


def _script(name: str, guard: str, broken: str = "", label: str = "") -> Mutant:
    return Mutant(label or f"{name}: lease", f"{SCRIPTS}/{name}.lua", guard, broken, ENGINE)


MUTANTS = [
    _script("claim", LEASE),
    _script("adopt", LEASE),
    _script("heartbeat", "if not has_lease(ARGV[1]) then return 0 end"),
    _script("acknowledge", "if claimed[k] then", "if true then"),
    *(_script(name, NOT_HELD, FORGET_HELD) for name in ("retry", "bury", "park", "forget")),
    _script("release", "if redis.call('HDEL', HELD .. incarnation, id) == 1 then", "do"),
    _script("prelude", "lease and tonumber(lease) > 0", "lease", "prelude: an ended lease stays ended"),
    _script("reclaim", "redis.call('ZREM', PROCESSES, incarnation)", "", "reclaim: the dead lose their lease"),
    _script("reclaim", "if reclaims >= poison then", "if false then", "reclaim: poison pill"),
    _script("reclaim", "if now - since > window then", "if false then", "reclaim: window"),
    _script("reclaim", "if reclaims == 0 or redis.call('HGET', HELD .. incarnation, id) == 'started' then reclaims = reclaims + 1 end", "reclaims = reclaims + 1", "reclaim: the innocent"),
    _script("start", "if redis.call('HEXISTS', HELD .. ARGV[1], ARGV[2]) == 0 then return 0 end"),
    _script("claim", "if gates[k] and", "if false and", "claim: closed gates"),
    _script("claim", "local quota = math.max(1, math.floor((want - got) / (#shops - k + 1)))", "local quota = want - got", "claim: turns"),
    _script("claim", "if redis.call('EXISTS', ring) == 1 then wake(queue) end", "", "claim: wakes the next"),
    _script("push", "if state == 'hold' then return { 'HOLD' } end", "", "push: hold"),
    _script("push", "if state == 'moved' then return { 'MOVED', pod, gate_epoch } end", "", "push: moved"),
    _script("push", "if epoch < gate_epoch then return { 'MOVED', pod, gate_epoch } end", "", "push: stale epoch"),
    _script("push", "if state == 'open' then return nil end", "do return nil end", "push: gate behind the directory"),
    _script("push", "elseif fresh then", "elseif true then", "push: repetition"),
    _script("prelude", "if length == #ids then", "if true then", "prelude: one place in the ring"),
    _script("gate", "if epoch < gate_epoch then return 0 end", "", "gate: epochs only grow"),
    Mutant("client: follows MOVED", "platform/podwork/client.py", "moved += group", "pass", ENGINE),
    Mutant("client: waits on HOLD", "platform/podwork/client.py", "on_hold += group", "pass", ENGINE),
    Mutant(
        "client: repeats with deduplication",
        "platform/podwork/client.py",
        "refusals = queues.push(groups, fresh=False)",
        "refusals = queues.push(groups, fresh=True)",
        ENGINE,
    ),
    *(Mutant(*guard) for guard in GUARDS),
]  # fmt: skip


def survives(mutant: Mutant) -> bool:
    """Return whether the tests pass without the guard."""
    with tempfile.TemporaryDirectory(prefix="podwork-mutant-") as folder:
        for name in SOURCES:
            source, target = ROOT / name, Path(folder) / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        file = Path(folder) / mutant.file
        text = file.read_text()
        if mutant.guard not in text:
            raise SystemExit(f"{mutant.name}: the guard is not in {mutant.file} any more; update the list")
        file.write_text(text.replace(mutant.guard, mutant.broken, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", *mutant.tests.split()]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def main(names: list[str]) -> int:
    """Print a line a mutant; exit 1 when one survives."""
    chosen = [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]
    survivors = 0
    for mutant in chosen:
        alive = survives(mutant)
        survivors += alive
        sys.stdout.write(f"{'SURVIVED' if alive else 'caught  '}  {mutant.name}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} mutants caught\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
