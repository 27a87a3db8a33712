"""Every error that `podwork_pods` raises on purpose, below `podwork.errors.PodworkError`.

Owns: what can go wrong between a shop's number and a row of its shard. Promises: no message holds a password.
"""

from __future__ import annotations

from collections.abc import Sequence

from podwork.errors import ConfigurationError, PodworkError, ShopOnHold
from podwork.interfaces import Route


class MissingDriver(ConfigurationError):
    """Raised when a URL needs a library that is not installed."""

    def __init__(self, scheme: str, library: str, extra: str) -> None:
        self.scheme = scheme
        self.library = library
        self.extra = extra
        super().__init__(f"{scheme}:// needs {library}, which is not installed", f"pip install '{extra}'")


class UnknownPod(PodworkError):
    """Raised when a pod is named that the registry does not hold."""

    def __init__(self, pod_id: int, known: Sequence[int]) -> None:
        self.pod_id = pod_id
        self.known = list(known)
        some = ", ".join(str(number) for number in self.known[:8]) or "none"
        super().__init__(f"unknown pod {pod_id}", f"pods in the registry: {some}; see: podctl pods list")


class PodUnavailable(PodworkError):
    """Raised when a pod's state forbids what was asked of it."""

    def __init__(self, pod_id: int, state: str, doing: str) -> None:
        self.pod_id = pod_id
        self.state = state
        self.doing = doing
        super().__init__(f"pod {pod_id} is {state}: cannot {doing}", "see: podctl pods get")


class NoActivePod(PodworkError):
    """Raised when a new shop has to be placed and no pod takes new shops."""

    def __init__(self) -> None:
        super().__init__("no pod takes new shops", "one has to be active with a weight above 0")


class UnknownShop(PodworkError):
    """Raised when a shop is named that the directory does not hold."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        super().__init__(f"unknown shop {shop_id}", "assign it to a pod first; see: podctl shops list")


class InvalidShop(PodworkError):
    """Raised when something is taken for a shop's number that cannot be one."""

    def __init__(self, shop_id: object) -> None:
        self.shop_id = shop_id
        super().__init__(f"{shop_id!r} is no shop", "shops are whole numbers from 0 to 2**63 - 1")


class ShopElsewhere(PodworkError):
    """Raised when a job opens a shop that lives on another pod than the job's."""

    def __init__(self, shop_id: int, pod_id: int, job_pod_id: int) -> None:
        self.shop_id = shop_id
        self.pod_id = pod_id
        self.job_pod_id = job_pod_id
        super().__init__(
            f"shop {shop_id} lives on pod {pod_id}, the job runs on pod {job_pod_id}",
            f"enqueue a job with shop_id={shop_id} instead",
        )


class ShopMoving(ShopOnHold):
    """Raised when a shop's fence is closed, because the shop is being switched between pods."""

    def __init__(self, shop_id: int, state: str) -> None:
        self.shop_id = shop_id
        self.waited_seconds = 0.0
        self.state = state
        PodworkError.__init__(
            self,
            f"shop {shop_id} is being moved: its fence is {state}",
            "nothing was written; try again in a moment",
        )


class TransactionBroken(PodworkError):
    """Raised when a transaction of a shop or a run was ended, or would be, in the middle of its block."""

    def __init__(self, shop_id: int | None, why: str) -> None:
        self.shop_id = shop_id
        self.why = why
        super().__init__(
            f"{'the pod' if shop_id is None else f'shop {shop_id}'}: "
            f"the transaction is over before its block: {why}",
            "inside the block write no DDL, no COMMIT and no autocommit; use session.commit()",
        )


class FenceBusy(PodworkError):
    """Raised when a fence could not be changed in time, because transactions of the shop hold it."""

    def __init__(self, shop_id: int, waited_seconds: float) -> None:
        self.shop_id = shop_id
        self.waited_seconds = waited_seconds
        super().__init__(
            f"shop {shop_id}: transactions held its fence for {waited_seconds:.1f} s",
            "nothing was changed; try again, or end the transaction that does not end",
        )


class FenceConflict(PodworkError):
    """Raised when a fence is not as its changer expects it: another epoch, another state, a later mover."""

    def __init__(self, shop_id: int, expected: str, found: str) -> None:
        self.shop_id = shop_id
        self.expected = expected
        self.found = found
        super().__init__(
            f"shop {shop_id}: the fence is {found}, expected {expected}", "nothing was changed; read it again"
        )


class DirectoryConflict(PodworkError):
    """Raised when a compare-and-set in the directory lost: the shop is not where it was expected."""

    def __init__(self, shop_id: int, expected: Route | None, found: Route | None, why: str = "") -> None:
        self.shop_id = shop_id
        self.expected = expected
        self.found = found
        what = why or f"the directory has {_spell(found)}, expected {_spell(expected)}"
        super().__init__(f"shop {shop_id}: {what}", "nothing was changed; see: podctl shops locate")


class ExtentConflict(PodworkError):
    """Raised when a range of shop numbers cannot be added, because part of it is taken."""

    def __init__(self, first_id: int, last_id: int, why: str) -> None:
        self.first_id = first_id
        self.last_id = last_id
        self.why = why
        super().__init__(f"shops {first_id} to {last_id}: {why}", "nothing was changed; take a free range")


class RegistryConflict(PodworkError):
    """Raised when somebody else changed a pod's record since it was read."""

    def __init__(self, pod_id: int) -> None:
        self.pod_id = pod_id
        super().__init__(
            f"pod {pod_id} was changed by somebody else meanwhile",
            "nothing was written; read it and try again",
        )


class RegistryUnavailable(PodworkError):
    """Raised when the registry of pods cannot be reached."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        self.why = why
        super().__init__(
            f"the registry at {address} does not answer: {why}",
            "check that it runs and that topology.registry_url is right",
        )


class DirectoryUnavailable(PodworkError):
    """Raised when the directory's database cannot be reached or has no tables."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        self.why = why
        super().__init__(
            f"the directory at {address} does not answer: {why}",
            "check that it runs and that topology.directory_url is right",
        )


class ShardUnavailable(PodworkError):
    """Raised when a pod's shard cannot be reached, or was lost in the middle of a transaction."""

    def __init__(self, pod_id: int, address: str, why: str) -> None:
        self.pod_id = pod_id
        self.address = address
        self.why = why
        super().__init__(
            f"the shard of pod {pod_id} at {address} does not answer: {why}",
            "check that it runs and that the pod's shard_url is right",
        )


class ShardUnprepared(PodworkError):
    """Raised when a shard lacks one of podwork's own tables."""

    def __init__(self, pod_id: int, table: str = "podwork_fence") -> None:
        self.pod_id = pod_id
        self.table = table
        super().__init__(
            f"the shard of pod {pod_id} is not prepared: it has no table {table}",
            "add the pod again with podctl pods add, which prepares its shard",
        )


class RelaySuperseded(PodworkError):
    """Raised when a relay acts after another one has begun."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__(f"another relay has begun since {token}", "nothing was changed; begin anew")


class ForeignRedis(PodworkError):
    """Raised when a pod's Redis is one that belongs to another shard."""

    def __init__(self, pod_id: int, address: str) -> None:
        self.pod_id = pod_id
        self.address = address
        super().__init__(
            f"Redis at {address} is not pod {pod_id}'s: it belongs to another shard",
            "nothing was pushed there; mend the pod's redis_url, or give the pod an empty Redis",
        )


def _spell(route: Route | None) -> str:
    return "no such shop" if route is None else f"pod {route.pod_id} at epoch {route.epoch}"
