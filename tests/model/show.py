"""Print what breaks without a guard: `python -m tests.model.show [GUARD ...]`; without any, the list."""

from __future__ import annotations

import sys

from tests.model.checker import check
from tests.model.debts import DEBT_GUARDS, debts
from tests.model.guards import GUARDS
from tests.model.moves import SCOPES, model


def main(guards: list[str]) -> None:
    told = [_told(guard) for guard in guards] or [
        *(f"{guard:16} {says}" for guard, (says, *_) in GUARDS.items()),
        *(f"{guard:16} {says}" for guard, says in DEBT_GUARDS.items()),
    ]
    sys.stdout.write("\n".join(told) + "\n")


def _told(guard: str) -> str:
    without = frozenset({guard})
    if guard in DEBT_GUARDS:
        return f"without {guard}: {DEBT_GUARDS[guard]}\n{check(debts(without))}\n"
    says, _, scope = GUARDS[guard]
    return f"without {guard}: {says}\n{check(model(SCOPES[scope], without))}\n"


if __name__ == "__main__":
    main(sys.argv[1:])
