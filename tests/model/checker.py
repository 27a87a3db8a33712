"""A small explicit-state checker: breadth first, so that what it finds it finds by a shortest way.

A model is its first states, the steps out of a state, what a step breaks, and when it is over. The checker
visits every state that can be reached. It answers with the shortest way to a broken promise, or, if none is
broken, with the shortest way to a state from which the end cannot be reached any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

State = TypeVar("State", bound=tuple[Any, ...])


class Step(NamedTuple, Generic[State]):
    """One step: what it is called, what it leads to, and whether the end may be waited for through it."""

    label: str
    after: State
    is_relied_on: bool = True


@dataclass(frozen=True)
class Model(Generic[State]):
    """What is checked.

    Attributes:
        start: the first states.
        steps: all steps out of a state.
        broken: which promise a step breaks, as `S1: in words`; "": none.
        is_over: whether nothing is left to be done.
    """

    start: Iterable[State]
    steps: Callable[[State], Iterable[Step[State]]]
    broken: Callable[[State, State], str]
    is_over: Callable[[State], bool]


@dataclass
class Verdict(Generic[State]):
    """What was found: `broken` is "" when every promise is kept in every state."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    broken: str = ""
    trace: list[tuple[str, State]] = field(default_factory=list)

    @property
    def promise(self) -> str:
        """The name of what is broken, without the words."""
        return self.broken.partition(":")[0]

    def __str__(self) -> str:
        if not self.broken:
            return f"{self.states} states, {self.steps} steps, {self.ends} ends: every promise is kept"
        told = [f"{self.broken}   (after {len(self.trace) - 1} steps, {self.states} states seen)"]
        for number, (label, state) in enumerate(self.trace):
            before = self.trace[number - 1][1] if number else None
            told.append(f"{number:3} {label:<58} {_changes(before, state)}".rstrip())
        return "\n".join(told)


class TooManyStates(AssertionError):
    """Raised when a model is larger than was thought."""


def check(model: Model[State], most_states: int = 1_000_000) -> Verdict[State]:
    """Visit every state; stop at the first broken promise."""
    numbers: dict[State, int] = {}
    states: list[State] = []
    came: list[tuple[int, str]] = []
    relied: list[list[int]] = []
    """For each state, those from which it is reached by steps that are relied on."""
    verdict: Verdict[State] = Verdict()

    def enter(state: State, from_number: int, label: str) -> int:
        if len(states) >= most_states:
            raise TooManyStates(most_states)
        number = numbers[state] = len(states)
        states.append(state)
        came.append((from_number, label))
        relied.append([])
        queue.append(number)
        return number

    def way_to(number: int) -> list[tuple[str, State]]:
        way = []
        while number >= 0:
            way.append((came[number][1], states[number]))
            number = came[number][0]
        return way[::-1]

    queue: deque[int] = deque()
    for state in model.start:
        if state not in numbers:
            enter(state, -1, "begin")
    while queue:
        number = queue.popleft()
        state = states[number]
        for label, after, is_relied_on in model.steps(state):
            verdict.steps += 1
            known = numbers.get(after)
            broken = model.broken(state, after)
            if broken:
                verdict.states, verdict.broken = len(states), broken
                verdict.trace = [*way_to(number), (label, after)]
                return verdict
            if known is None:
                known = enter(after, number, label)
            if is_relied_on:
                relied[known].append(number)
    verdict.states = len(states)
    stuck = _stuck(model, states, relied, verdict)
    if stuck is not None:
        verdict.broken, verdict.trace = "S6: from here the end cannot be reached", way_to(stuck)
    return verdict


def _stuck(
    model: Model[State], states: list[State], relied: list[list[int]], verdict: Verdict[State]
) -> int | None:
    """Return the first state from which no end can be reached, going backwards from the ends."""
    ends = [number for number, state in enumerate(states) if model.is_over(state)]
    verdict.ends = len(ends)
    reaches = bytearray(len(states))
    for number in ends:
        reaches[number] = 1
    while ends:
        for number in relied[ends.pop()]:
            if not reaches[number]:
                reaches[number] = 1
                ends.append(number)
    missing = reaches.find(0)
    return None if missing < 0 else missing


def _changes(before: Any, after: Any) -> str:
    """Return which fields a step has changed, and to what."""
    if before is None:
        return ""
    return "  ".join(
        f"{name}={_text(new)}"
        for name, old, new in zip(after._fields, before, after, strict=True)
        if old != new and name not in ("movers", "left")
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        inner = " ".join(_text(part) for part in value)
        return inner if hasattr(value, "_fields") else f"[{inner}]" if len(value) > 1 else f"({inner})"
    return str(value)
