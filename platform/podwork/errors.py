"""Every error that podwork raises on purpose, as one tree.

Owns: the root `PodworkError` and the engine's own branches. The packages above hang theirs below the
same root (`podwork_pods.errors`, `podwork_ops.errors`), and `podwork_ops` maps them to exit codes in
one table. Promises: each error carries its facts as attributes and says in one line what happened and,
after the dash, what to do about it. Control flow is not an error: see `podwork.signals`.
"""

from __future__ import annotations


class PodworkError(Exception):
    """The root: something that podwork refuses or cannot do, with what to do about it."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} - {remedy}" if remedy else what)


class ConfigurationError(PodworkError):
    """Raised when a setting, a settings file or a declaration of a job cannot be used."""


class UnknownJob(PodworkError):
    """Raised when a job class is named that this application does not declare."""

    def __init__(self, job_class: str, known: list[str]) -> None:
        self.job_class = job_class
        self.known = known
        some = ", ".join(sorted(known)[:8]) or "none"
        super().__init__(f"unknown job class {job_class!r}", f"declare it, or use one of: {some}")


class InvalidArguments(PodworkError):
    """Raised at push when a job's arguments do not fit its signature or are not JSON."""

    def __init__(self, job_class: str, why: str) -> None:
        self.job_class = job_class
        self.why = why
        super().__init__(f"{job_class}: {why}", "pass what the job's signature declares, as JSON values")


class InvalidRoute(PodworkError):
    """Raised at push when it is not clear on which pod the job belongs."""


class InvalidTime(PodworkError):
    """Raised at push when it is not clear when the job is to run, or how long it may wait."""

    def __init__(self, job_class: str, why: str) -> None:
        self.job_class = job_class
        self.why = why
        super().__init__(
            f"{job_class}: {why}",
            "give seconds or a timedelta; at= takes seconds since 1970 or a zoned datetime",
        )


class StoreUnavailable(PodworkError):
    """Raised when a pod's Redis cannot be reached or refuses to work."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        self.why = why
        super().__init__(
            f"Redis at {address} does not answer: {why}",
            "check that it runs and that the pod's redis_url is right",
        )


class StoreRefused(PodworkError):
    """Raised when Redis answers, but refuses a write (out of memory, read-only replica, full disk)."""

    def __init__(self, address: str, why: str) -> None:
        self.address = address
        self.why = why
        super().__init__(f"Redis at {address} refused: {why}", "nothing was written; retry after mending it")


class ShopOnHold(PodworkError):
    """Raised at push when the shop is being switched between pods for longer than the push may wait."""

    def __init__(self, shop_id: int, waited_seconds: float) -> None:
        self.shop_id = shop_id
        self.waited_seconds = waited_seconds
        super().__init__(
            f"shop {shop_id} is being moved; waited {waited_seconds:.1f} s",
            "push again; nothing was accepted",
        )


class RedirectLoop(PodworkError):
    """Raised at push when pods keep redirecting to one another."""

    def __init__(self, shop_id: int, path: list[int]) -> None:
        self.shop_id = shop_id
        self.path = path
        super().__init__(
            f"shop {shop_id}: redirected in a circle over pods {path}",
            "compare the gates with the directory: podctl shops locate",
        )


class LeaseLost(PodworkError):
    """Raised when a process acts under an incarnation that was reclaimed."""

    def __init__(self, incarnation: str) -> None:
        self.incarnation = incarnation
        super().__init__(
            f"process {incarnation} lost its lease",
            "its jobs were given back; the process ends and is replaced",
        )


class StaleEpoch(PodworkError):
    """Raised when work for a shop runs under an epoch, or on a pod, that is no longer the shop's."""

    def __init__(self, shop_id: int, epoch: int, found: str) -> None:
        self.shop_id = shop_id
        self.epoch = epoch
        self.found = found
        super().__init__(
            f"shop {shop_id}: epoch {epoch} is stale ({found})",
            "the work is rolled back and goes where the shop is",
        )


class TimeLimitExceeded(PodworkError):
    """Raised inside a job that has run longer than its class may, and fails it if not caught."""

    def __init__(self, limit: str = "soft") -> None:  # no argument when it is raised from outside
        self.limit = limit
        super().__init__(
            f"the job has run longer than its {limit} limit",
            f"let it do less at once, or raise {limit}_limit_seconds where its class is declared",
        )


class MemoryLimitExceeded(PodworkError):
    """Raised for a job whose own process was killed because it used more memory than it may."""

    def __init__(self, used_bytes: int, limit_bytes: int) -> None:
        self.used_bytes = used_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the job's process used {used_bytes >> 20} MiB, more than {limit_bytes >> 20} MiB",
            "let it do less at once, or raise worker.memory_limit_mib",
        )


class RunConflict(PodworkError):
    """Raised when a run is asked for what its state, or somebody quicker, does not allow."""

    def __init__(self, run_id: str, why: str, remedy: str) -> None:
        self.run_id = run_id
        self.why = why
        super().__init__(f"run {run_id}: {why}", remedy)


class UnusableCursor(PodworkError):
    """Raised when a cursor cannot be written down, or when one that was written down cannot be read."""


class PassageRefused(PodworkError):
    """Raised when a shop's gate is not as this mover has set it, and its step was refused."""

    def __init__(self, shop_id: int, address: str, found: str, *, overtaken: bool) -> None:
        self.shop_id = shop_id
        self.address = address
        self.found = found
        # By a later mover, or a later epoch of the shop. Else Redis was emptied, or has lost its last writes.
        self.overtaken = overtaken
        what = "another mover has set it" if overtaken else "it is not what this mover has set"
        super().__init__(
            f"shop {shop_id}: the gate at {address} is {found or 'gone'}: {what}",
            "read the move again: this mover ends"
            if overtaken
            else "the passage gives way, and begins again",
        )


class JobsHeld(PodworkError):
    """Raised when a shop's jobs cannot travel because processes hold some of them."""

    def __init__(self, shop_id: int, job_ids: list[str]) -> None:
        self.shop_id = shop_id
        self.job_ids = job_ids
        super().__init__(
            f"shop {shop_id}: {len(job_ids)} jobs are held, such as {job_ids[0]}",
            "wait until they end, or see who holds them: podctl jobs why",
        )


class JobsDiffer(PodworkError):
    """Raised when two pods do not have the same jobs of a shop that passes from one to the other."""

    def __init__(self, shop_id: int, here: str, there: str) -> None:
        self.shop_id = shop_id
        self.here = here
        self.there = there
        super().__init__(
            f"shop {shop_id}: its pod has {here}, the other {there}",
            "the passage gives way, and begins again",
        )
