"""What was measured: values by contestant and metric, one a round, and what could not be measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Figures: TypeAlias = dict[str, float]
REASON_CHARACTERS = 150


class Missing(Exception):
    """Raised when a figure is asked for that was not measured; says why."""


class Measured:
    """The figures of one run."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = {}
        self.missing: dict[str, str] = {}
        """Contestant -> why it, or part of it, could not be measured."""

    def add(self, who: str, figures: Mapping[str, float]) -> None:
        """Take in the figures of one round."""
        metrics = self.values.setdefault(who, {})
        for name, value in figures.items():
            metrics.setdefault(name, []).append(value)

    def miss(self, who: str, reason: str) -> None:
        """Note why something is not there; the first reason stays, as one line of a table."""
        line = " ".join(reason.replace("|", "/").split())
        self.missing.setdefault(
            who, line if len(line) <= REASON_CHARACTERS else f"{line[:REASON_CHARACTERS]}..."
        )

    def rounds(self, who: str, metric: str) -> list[float]:
        """Return the values of all rounds. Raises Missing."""
        found = self.values.get(who, {}).get(metric)
        if found:
            return found
        raise Missing(f"{who}: {self.missing.get(who, f'{metric} was not measured')}")

    def median(self, who: str, metric: str) -> float:
        """Return the median of the rounds. Raises Missing."""
        return statistics.median(self.rounds(who, metric))

    def medians(self) -> dict[str, Figures]:
        """Return all medians."""
        return {
            who: {metric: statistics.median(found) for metric, found in metrics.items()}
            for who, metrics in self.values.items()
        }

    def best(self, contestants: Iterable[str], metric: str) -> tuple[str, float]:
        """Return the one with the highest median. Raises Missing if any of them was not measured."""
        medians = {who: self.median(who, metric) for who in contestants}
        who = max(medians, key=lambda name: medians[name])
        return who, medians[who]


def percentile(ascending: list[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed (nearest rank)."""
    rank = max(1, -(-len(ascending) * percent // 100))
    return ascending[int(rank) - 1]
