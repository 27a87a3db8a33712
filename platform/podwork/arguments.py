"""The arguments of a job: what its signature takes, checked when the job is pushed.

Owns the passage from a call to JSON and back. Promises: what does not fit the signature or is not JSON is
refused at push with a reason, so that a worker never meets it. Types are checked as far as JSON has them:
an annotation that JSON cannot express (a datetime, a model) is refused when the job is declared.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from podwork.errors import ConfigurationError, InvalidArguments

OPTIONS = frozenset({"in_", "at", "expires_in", "idempotency_key", "transaction"})
RESERVED = OPTIONS | {"pod"}
"""Names that `enqueue` uses itself. `shop_id` is one too, and a job may take it: see `takes_shop_id`."""

_JSON_SCALARS = (msgspec.inspect.IntType, msgspec.inspect.FloatType, msgspec.inspect.BoolType,
                 msgspec.inspect.StrType, msgspec.inspect.NoneType, msgspec.inspect.AnyType,
                 msgspec.inspect.LiteralType)  # fmt: skip
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class Parameters:
    """The parameters of one job, made once from its function's signature.

    Attributes:
        names: those that `enqueue` takes, in order, without `shop_id`.
        takes_shop_id: the function has a parameter `shop_id`; it is given the job's shop when it runs.
    """

    def __init__(self, job_class: str, function: Callable[..., Any], *, skip_self: bool = False) -> None:
        self._job_class = job_class
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_self else 0 :]
        hints = _hints(job_class, function)
        for parameter in parameters:
            self._check(parameter)
        self.takes_shop_id = any(parameter.name == "shop_id" for parameter in parameters)
        taken = [parameter for parameter in parameters if parameter.name != "shop_id"]
        self.names = tuple(parameter.name for parameter in taken)
        self._in_order = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self._positional = tuple(p.name for p in taken if p.kind is p.POSITIONAL_OR_KEYWORD)
        self._allowed = frozenset(self.names)
        self._required = frozenset(p.name for p in taken if p.default is p.empty)
        self._types = {name: hints.get(name, Any) for name in self.names}
        self._quick = {name: hint for name, hint in self._types.items() if hint in (int, str, bool)}
        for name, hint in self._types.items():
            self._check_hint(name, hint)

    def by_name(self, positional: tuple[Any, ...]) -> dict[str, Any]:
        """Return positional arguments of the function itself by name. Raises InvalidArguments."""
        if len(positional) > len(self._in_order):
            raise self._invalid(f"takes {len(self._in_order)} positional arguments, got {len(positional)}")
        return dict(zip(self._in_order, positional, strict=False))

    def bind(self, positional: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments by name, without defaults. Raises InvalidArguments."""
        args = dict(named)
        if positional:
            if len(positional) > len(self._positional):
                raise self._invalid(
                    f"takes {len(self._positional)} positional arguments, got {len(positional)}"
                )
            for name, value in zip(self._positional, positional, strict=False):
                if name in args:
                    raise self._invalid(f"got two values for {name!r}")
                args[name] = value
        return self.bind_named(args)

    def bind_named(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments themselves, all of them given by name. Raises InvalidArguments."""
        given = args.keys()
        if not given <= self._allowed:
            raise self._invalid(f"unknown argument {', '.join(sorted(given - self._allowed))}")
        if not given >= self._required:
            raise self._invalid(f"missing argument {', '.join(sorted(self._required - given))}")
        return args

    def encode(self, args: Mapping[str, Any]) -> bytes:
        """Return the arguments as JSON. Raises InvalidArguments when a value has the wrong type."""
        self._check_values(args)
        try:
            return _encode(args)
        except (UnicodeEncodeError, OverflowError) as error:
            raise self._invalid(f"not JSON: {error}") from None

    def encode_rows(self, rows: Sequence[dict[str, Any]]) -> list[bytes]:
        """Return the arguments of each row, given by name, as JSON. Raises InvalidArguments.

        Rows that give the same arguments are checked column by column, at a tenth of the cost.
        """
        if not self._are_alike(rows):
            for row in rows:
                self._check_values(self.bind_named(row))
        try:
            return _encode_lines(rows).splitlines()  # JSON has no line breaks inside
        except (UnicodeEncodeError, OverflowError) as error:
            raise self._invalid(f"not JSON: {error}") from None

    def decode(self, args: bytes) -> dict[str, Any]:
        """Return arguments given as a JSON object (by a person, say). Raises InvalidArguments."""
        try:
            decoded = msgspec.json.decode(args, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise self._invalid(f"arguments are not a JSON object: {error}") from None
        return decoded

    def _are_alike(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Whether all rows give the same arguments, which fit. Raises InvalidArguments for a value."""
        names = rows[0].keys()
        if not self._required <= names <= self._allowed or set(map(len, rows)) != {len(names)}:
            return False
        try:
            columns = {name: [row[name] for row in rows] for name in names}
        except KeyError:
            return False
        for name, column in columns.items():
            if set(map(type, column)) != {self._quick.get(name)}:
                for value in column:
                    self._check_value(name, value)
        return True

    def _check_values(self, args: Mapping[str, Any]) -> None:
        for name, value in args.items():
            if type(value) is not self._quick.get(name):
                self._check_value(name, value)

    def _check_value(self, name: str, value: Any) -> None:
        _check_json(self._job_class, name, value)
        try:
            msgspec.convert(value, self._types[name], strict=True)
        except msgspec.ValidationError as error:
            raise self._invalid(f"{name}: {error}") from None

    def _check(self, parameter: inspect.Parameter) -> None:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise ConfigurationError(
                f"{self._job_class}: parameter {parameter} cannot be stored by name",
                "declare each argument by its name",
            )
        if parameter.name in RESERVED:
            raise ConfigurationError(
                f"{self._job_class}: a parameter may not be called {parameter.name!r}",
                "enqueue() uses the name itself; call it otherwise",
            )

    def _check_hint(self, name: str, hint: Any) -> None:
        try:
            described = msgspec.inspect.type_info(hint)
        except TypeError as error:
            raise ConfigurationError(
                f"{self._job_class}: {name}: {error}", "annotate with JSON types"
            ) from None
        if not _is_json_type(described):
            raise ConfigurationError(
                f"{self._job_class}: {name}: {hint} is not a JSON type",
                "take a number, text, bool, list or dict, and look the rest up when the job runs",
            )

    def _invalid(self, why: str) -> InvalidArguments:
        return InvalidArguments(self._job_class, why)


def _hints(job_class: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise ConfigurationError(
            f"{job_class}: an annotation cannot be resolved: {error}", "import the name at module level"
        ) from None


def _is_json_type(described: msgspec.inspect.Type) -> bool:
    if isinstance(described, _JSON_SCALARS):
        return True
    if isinstance(described, msgspec.inspect.UnionType):
        return all(_is_json_type(option) for option in described.types)
    if isinstance(described, msgspec.inspect.ListType):
        return _is_json_type(described.item_type)
    if isinstance(described, msgspec.inspect.DictType):
        is_text = isinstance(described.key_type, msgspec.inspect.StrType | msgspec.inspect.AnyType)
        return is_text and _is_json_type(described.value_type)
    if isinstance(described, msgspec.inspect.TypedDictType):
        return all(_is_json_type(field.type) for field in described.fields)
    return False


def _check_json(job_class: str, path: str, value: Any) -> None:
    """Raise unless the value survives JSON unchanged (tuples, sets, bytes, dates and NaN do not)."""
    kind = type(value)
    if value is None or kind in (int, str, bool):
        return
    if kind is float:
        if not math.isfinite(value):
            raise InvalidArguments(job_class, f"{path}: {value} has no JSON form")
    elif kind is list:
        for position, item in enumerate(value):
            _check_json(job_class, f"{path}[{position}]", item)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidArguments(job_class, f"{path}: the key {key!r} is not text")
            _check_json(job_class, f"{path}.{key}", item)
    else:
        raise InvalidArguments(job_class, f"{path}: {kind.__name__} is not JSON")
