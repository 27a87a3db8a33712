"""A declared iteration job: what was written is checked, and made ready for each run.

Owns: `Declaration`, the check of the options, of the policies that such a job may not have, and of what
`collection()` returns. Promises: what cannot be run is refused when the job is declared, with what to write
instead; what cannot be worked through, before the first batch. Leaves to others: the loop, and the policies,
which are like any other job's (`podwork.policy`): they are about each of the jobs that work on a run, one
after the other and side by side, and not about the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from podwork.arguments import Parameters
from podwork.context import JobContext
from podwork.errors import ConfigurationError
from podwork.iteration.collection import Collection, RangeCollection
from podwork.iteration.job import IterationJob, application_classes, forms_of
from podwork.iteration.methods import ARGUMENTS, FORMS, Form, check_method
from podwork.iteration.parameters import defaults_of, parameters_of
from podwork.iteration.throttle import Throttle
from podwork.policy import JobPolicy


def _is_duration(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < math.inf


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_count_or_none(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_throttles(value: Any) -> bool:
    return type(value) is tuple and all(
        not isinstance(throttle, type) and isinstance(throttle, Throttle) and _is_hashable(throttle)
        for throttle in value
    )


def _is_hashable(value: object) -> bool:
    # A list inside a frozen dataclass is found only by trying.
    try:
        hash(value)
    except TypeError:
        return False
    return True


OPTIONS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "target_seconds": (_is_duration, "give a number of seconds above 0"),
    "batch_size": (_is_count, "give a whole number from 1"),
    "most_rows": (_is_count, "give a whole number from 1"),
    "least_rows": (_is_count, "give a whole number from 1"),
    "parallel": (_is_count, "give a whole number from 1"),
    "time_slice_seconds": (_is_duration, "give a number of seconds above 0"),
    "batch_attempts": (_is_count, "give a whole number from 1"),
    "quarantine_limit": (_is_count_or_none, "give a whole number; 0: the run fails with its first bad item"),
    "throttles": (
        _are_throttles,
        "give a tuple of throttles, such as (ThreadsRunning(most=25),); one of your own is a class with name "
        "and held(around), and hashable: a frozen dataclass, say, with no list in it",
    ),
}
"""The options of a class, each with its check and the remedy."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared iteration job.

    Attributes:
        name: the job's, for messages. target: the class.
        form: which of its methods takes what it works on.
        parameters: what is given when it is enqueued.
    """

    name: str
    target: type[IterationJob]
    form: Form
    parameters: Parameters

    @classmethod
    def of(cls, name: str, target: type[IterationJob]) -> Declaration:
        """Return the declaration of a class. Raises ConfigurationError when it cannot be meant so."""
        _check_options(name, target)
        form = _form(name, target)
        unused = set(Form) - {form}
        for method in ARGUMENTS:
            if method not in unused:
                check_method(name, target, method)
        return cls(name, target, form, parameters_of(name, target, frozenset(OPTIONS)))

    @property
    def defaults(self) -> dict[str, Any]:
        """The values of the parameters that may be left out."""
        return defaults_of(self.target, self.parameters)

    def check_policy(self, policy: JobPolicy) -> None:
        """Raise ConfigurationError for a policy that can only be meant for the run, and not for its jobs."""
        if policy.at_most_once:
            raise ConfigurationError(
                f"{self.name}: at_most_once: its jobs have to start again, after each time slice and each "
                "interruption",
                "leave it out: what a batch writes on the shard is done once anyway; give what it does "
                "elsewhere its idempotency_key",
            )
        if policy.unique is not None:
            raise ConfigurationError(
                f"{self.name}: unique: a run has many jobs, and goes on when each of them has ended",
                "leave it out, and give enqueue() an idempotency_key",
            )
        for label in ("soft_limit_seconds", "hard_limit_seconds"):
            limit_seconds, slice_seconds = getattr(policy, label), self.target.time_slice_seconds
            if limit_seconds is not None and limit_seconds <= slice_seconds:
                raise ConfigurationError(
                    f"{self.name}: {label}={limit_seconds:g}: each of its jobs works for "
                    f"{slice_seconds:g} seconds before it makes room",
                    "set it well above time_slice_seconds: it is for a batch that does not come back",
                )

    def job(self, context: JobContext, args: Mapping[str, Any], shop_id: int | None) -> IterationJob:
        """Return a job of the class with its parameters set, for one execution.

        They are checked again: code that was deployed since the push may want others. Raises
        InvalidArguments.
        """
        given = self.parameters.bind_named(dict(args))
        self.parameters.encode(given)
        job = self.target(context)
        # Copied: a list that one run changes must not be another run's.
        for parameter, value in {**deepcopy(self.defaults), **given}.items():
            setattr(job, parameter, value)
        if self.parameters.takes_shop_id:
            setattr(job, "shop_id", shop_id)  # noqa: B010 - only a class that annotates it has it
        return job

    def collection(self, job: IterationJob) -> Collection:
        """Return what the job works through. Raises ConfigurationError when the engine could not."""
        found = job.collection()
        if isinstance(found, type) or not isinstance(found, Collection):
            raise ConfigurationError(
                f"{self.name}: collection() returned {_described(found)}, which is not a collection",
                "return one, such as rows('order_lines'), select(...), items([...]) or one of your own",
            )
        if self.form is Form.EACH_RANGE and not isinstance(found, RangeCollection):
            raise ConfigurationError(
                f"{self.name}: {_described(found)} has no ranges of keys for each_range()",
                "return rows(...), or write each_batch(items) instead",
            )
        return found


def _check_options(name: str, target: type[IterationJob]) -> None:
    for option, (is_right, remedy) in OPTIONS.items():
        value = getattr(target, option)
        if not is_right(value):
            raise ConfigurationError(f"{name}: {option} = {value!r}", remedy)


def _form(name: str, target: type[IterationJob]) -> Form:
    forms = forms_of(target)
    if not any("collection" in vars(base) for base in application_classes(target)):
        raise ConfigurationError(f"{name} has no collection()", "write one: what is to be worked through")
    if not forms:
        raise ConfigurationError(f"{name} does nothing with its collection", f"write {FORMS}")
    return forms[0]


def _described(value: object) -> str:
    return f"the class {value.__qualname__}" if isinstance(value, type) else f"a {type(value).__qualname__}"
