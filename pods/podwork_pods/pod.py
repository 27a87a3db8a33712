"""A pod's settings: one shard, its Redis, and what operators say about them.

Owns: `Pod` and `PodState`, their validation and their stored form. Promises: a `Pod` that exists is usable as
far as one can tell without connecting; its representation shows no password. Leaves to others: where the
records are kept (`registry`) and what may be done in which state (`routing`, `connections`, `directory`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import msgspec

from podwork.errors import ConfigurationError
from podwork_pods.database_urls import flaw_of
from podwork_pods.masking import mask_url

REDIS_SCHEMES = ("redis", "rediss", "unix")

LARGEST_ID = 2**31 - 1
LABELS_BYTES_LIMIT = 16_384
"""Of names and values together: a record has to fit into a ZooKeeper node, many times over."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?")


class PodState(StrEnum):
    """What operators say about a pod.

    | state | serves its shops | takes new shops | shops may leave, migrations run |
    | active | yes | yes | yes |
    | draining | yes | no | yes |
    | frozen | yes | no | no |
    | down | no: nothing is sent there | no | no |
    """

    ACTIVE = "active"
    DRAINING = "draining"
    FROZEN = "frozen"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `version` is the registry's, for compare-and-set; 0 is a pod that was never stored.

    Raises:
        ConfigurationError: a field cannot be used.
    """

    id: int
    shard_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    state: PodState = PodState.ACTIVE
    weight: int = 100
    labels: Mapping[str, str] = field(default_factory=dict)
    version: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.id, bool) or not isinstance(self.id, int) or not 1 <= self.id <= LARGEST_ID:
            raise ConfigurationError(f"pod id {self.id!r} is not a number from 1", "pods are numbered from 1")
        object.__setattr__(self, "state", self._state())
        self._check_shard_url()
        self._check_redis_url()
        if (
            isinstance(self.weight, bool)
            or not isinstance(self.weight, int)
            or not 0 <= self.weight <= 1_000_000
        ):
            raise self._wrong(f"weight {self.weight!r}", "give a number from 0 to 1000000")
        object.__setattr__(self, "labels", dict(self.labels))
        for name, value in self.labels.items():
            if not isinstance(value, str) or not _LABEL.fullmatch(name):
                raise self._wrong(f"label {name!r}={value!r}", "names are a-z, 0-9, _ . -; values are text")
        size_bytes = sum(len(part.encode()) for label in self.labels.items() for part in label)
        if size_bytes > LABELS_BYTES_LIMIT:
            raise self._wrong(f"labels of {size_bytes} bytes", f"keep to {LABELS_BYTES_LIMIT} bytes in all")

    def __repr__(self) -> str:
        return f"Pod({', '.join(f'{name}={value!r}' for name, value in self.masked().items())})"

    def masked(self) -> dict[str, Any]:
        """Return the fields as people may see them: without passwords."""
        return {
            **self._fields(),
            "shard_url": mask_url(self.shard_url),
            "redis_url": mask_url(self.redis_url),
            "version": self.version,
        }

    def to_record(self) -> bytes:
        """Return the stored form: JSON, without the version."""
        return msgspec.json.encode(self._fields(), order="sorted")

    @classmethod
    def from_record(cls, record: bytes, version: int) -> Pod:
        """Read the stored form; fields of a later revision of the code are ignored.

        Raises:
            ConfigurationError: the record is damaged.
        """
        try:
            stored = msgspec.json.decode(record, type=dict[str, Any])
            known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
            return cls(**{**known, "version": version})
        except (msgspec.DecodeError, TypeError) as error:
            raise ConfigurationError(f"a pod's record is damaged: {error}", "put the pod again") from None

    def _fields(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "shard_url": self.shard_url,
            "redis_url": self.redis_url,
            "state": self.state.value,
            "weight": self.weight,
            "labels": dict(self.labels),
        }

    def _state(self) -> PodState:
        try:
            return PodState(self.state)
        except ValueError:
            known = ", ".join(state.value for state in PodState)
            raise self._wrong(f"state {self.state!r}", f"give one of: {known}") from None

    def _check_shard_url(self) -> None:
        flaw = flaw_of(self.shard_url)
        if flaw is not None:
            raise self._wrong(f"shard_url: {flaw.what}", flaw.remedy)

    def _check_redis_url(self) -> None:
        scheme, separator, rest = str(self.redis_url).partition("://")
        if not separator or scheme not in REDIS_SCHEMES or not rest or not _has_usable_port(self.redis_url):
            raise self._wrong(
                f"redis_url {mask_url(str(self.redis_url))!r}",
                "give redis://host:port/number, rediss:// or unix://; write a / in a password as %2F",
            )

    def _wrong(self, what: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(f"pod {self.id}: {what}", remedy)


def _has_usable_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # not a number; or an IPv6 address without its brackets
        return False
