"""The parameters of an iteration job: the annotated attributes of its class.

Owns: which attributes are parameters, and `parameters_of`, which makes a job's `Parameters` of them, so that
they are checked when the job is pushed as those of any job. Promises: they are named, never positional, so
that a class may inherit some and add others; a default that its annotation does not allow is refused at once.
Leaves to others: the checks themselves (`podwork.arguments`).
"""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Final, get_origin, get_type_hints

from podwork.arguments import Parameters
from podwork.errors import ConfigurationError, InvalidArguments
from podwork.iteration.job import IterationJob, application_classes

_CONSTANT: Final = re.compile(r"([\w.]+\.)?(ClassVar|Final)\b")
_TAKEN: Final = frozenset(dir(IterationJob)) | {"context", "job_class", "run"}
"""What the job itself calls so; an option may be annotated again."""


def parameters_of(name: str, target: type[IterationJob], options: frozenset[str]) -> Parameters:
    """Return the parameters of the job. Raises ConfigurationError."""
    hints: dict[str, Any] = {}
    for base in reversed(application_classes(target)):  # a derived class may annotate again
        for attribute, annotation in inspect.get_annotations(base).items():
            if attribute.startswith("_") or attribute in options or _is_constant(annotation):
                continue
            if attribute in _TAKEN:
                raise ConfigurationError(
                    f"{name}: a parameter may not be called {attribute!r}", "the job uses the name itself"
                )
            hints[attribute] = _resolved(name, base, attribute, annotation)
    parameters = Parameters(name, _with_signature(target, hints))
    _check_defaults(name, parameters, defaults_of(target, parameters))
    return parameters


def defaults_of(target: type[IterationJob], parameters: Parameters) -> dict[str, Any]:
    """Return the values of the parameters that may be left out."""
    return {name: getattr(target, name) for name in parameters.names if hasattr(target, name)}


def _is_constant(annotation: Any) -> bool:
    # Read as text where it is text: what a constant's type names need not be there at run time.
    if isinstance(annotation, str):
        return _CONSTANT.match(annotation) is not None
    return annotation in (ClassVar, Final) or get_origin(annotation) in (ClassVar, Final)


def _resolved(name: str, base: type, attribute: str, annotation: Any) -> Any:
    holder = type(
        base.__name__, (), {"__annotations__": {attribute: annotation}, "__module__": base.__module__}
    )
    try:
        return get_type_hints(holder)[attribute]
    except NameError as error:
        raise ConfigurationError(
            f"{name}: the annotation of {attribute} cannot be resolved: {error}",
            "import the name at module level",
        ) from None


def _with_signature(target: type, hints: dict[str, Any]) -> Any:
    """Return a function that takes the attributes by name: this is what `Parameters` reads."""

    def declared() -> None:
        """Carry the signature."""

    taken = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=getattr(target, name, inspect.Parameter.empty),
            annotation=hint,
        )
        for name, hint in hints.items()
    ]
    declared.__annotations__ = hints
    declared.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]  # as inspect documents
    return declared


def _check_defaults(name: str, parameters: Parameters, defaults: dict[str, Any]) -> None:
    try:
        parameters.encode(defaults)
    except InvalidArguments as error:
        raise ConfigurationError(f"{name}: a default does not fit: {error.why}", "mend the default") from None
