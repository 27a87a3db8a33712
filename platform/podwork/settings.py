"""The settings: one table, loaded once, frozen, passed explicitly.

Owns: the table of every setting of the platform (engine, pods, ops alike, because an operator has one
file), its layers and its validation. A value comes from, first found wins: a command line flag, the
environment (`PODWORK_WORKER_THREADS` for `worker.threads`), `podwork.toml`, the default here.
Promises: nothing is read at import; an unknown key or a wrong type names the key, the place it came
from and what is expected. The documentation (`ops/docs/settings.md`) is made from the same table.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from podwork.errors import ConfigurationError

ENVIRONMENT_PREFIX = "PODWORK_"
DEFAULT_FILE = "podwork.toml"

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The application that declares the jobs."""

    target: Annotated[str, Meta(description="Where the App object is: `module:attribute`.")] = ""
    revision: Annotated[str, Meta(description="The deployed code's revision, shown for every worker.")] = (
        "unknown"
    )


class TopologySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the platform learns its pods and which shop lives where."""

    registry_url: Annotated[
        str,
        Meta(
            description="The registry of pods: `sqlite:///file` (embedded) or `zookeeper://host:port/chroot`.",
        ),
    ] = "sqlite:///podwork-registry.db"
    directory_url: Annotated[
        str,
        Meta(
            description="The directory's database, an SQLAlchemy URL (SQLite, MariaDB or MySQL).",
        ),
    ] = "sqlite:///podwork-directory.db"
    directory_refresh_seconds: Annotated[
        Seconds, Meta(description="How often a process reads the directory's change log into its cache.")
    ] = 1.0
    directory_cache_shops: Annotated[
        Positive, Meta(description="How many shops a process keeps in its directory cache.")
    ] = 200_000


class RedisSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a process speaks to a pod's Redis."""

    socket_timeout_seconds: Annotated[
        Seconds, Meta(description="How long one answer of Redis may take before it counts as unreachable.")
    ] = 5.0
    hold_timeout_seconds: Annotated[
        Seconds, Meta(description="How long a push waits for a shop that is being switched between pods.")
    ] = 10.0


class ShardSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a process speaks to a shard."""

    pool_size: Annotated[
        Positive, Meta(description="Connections kept per shard and process; workers use one per thread.")
    ] = 5
    connect_timeout_seconds: Annotated[
        Seconds, Meta(description="How long connecting to a shard may take.")
    ] = 5.0
    lock_wait_seconds: Annotated[
        Positive, Meta(description="How long a statement waits for a row lock before it gives up.")
    ] = 10
    read_timeout_seconds: Annotated[
        Seconds,
        Meta(
            description="How long one answer of MariaDB or MySQL may take before the connection counts as "
            "lost; keep it above lock_wait_seconds and above the longest statement."
        ),
    ] = 60.0


class WorkerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `podctl workers` command."""

    queues: Annotated[
        list[str],
        Meta(
            description="Queues to serve, most urgent first; or with weights: `critical:6`, `default:3`.",
            min_length=1,
        ),
    ] = msgspec.field(default_factory=lambda: ["critical", "default", "low"])
    processes: Annotated[Positive, Meta(description="Child processes.")] = 1
    threads: Annotated[Positive, Meta(description="Processors (threads) per child.")] = 5
    isolate: Annotated[
        bool,
        Meta(
            description="Run each job in a process of its own, forked for it: a crash costs that job alone, "
            "and each job pays for a fork."
        ),
    ] = False
    drain_seconds: Annotated[
        Seconds, Meta(description="How long TERM lets running jobs go on before they are given back.")
    ] = 25.0
    lease_seconds: Annotated[
        Seconds, Meta(description="How long a silent process keeps its jobs; then others reclaim them.")
    ] = 15.0
    memory_limit_mib: Annotated[
        Count,
        Meta(
            description="A child above this resident memory drains and is replaced; with isolate a job's "
            "process above it is killed, and the job has failed. 0: no limit."
        ),
    ] = 0
    prefetch_seconds: Annotated[
        Seconds,
        Meta(description="How much work, by the measured duration of its jobs, a child holds unstarted."),
    ] = 0.05


class SchedulesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recurring schedules, beside those that the application declares in code."""

    file: Annotated[
        str,
        Meta(
            description="A TOML file that declares schedules, one table `[schedules.NAME]` each; empty: none."
        ),
    ] = ""


class MigrationsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Migrations of the shards' schema and data, which the pods' own workers apply."""

    folder: Annotated[
        str,
        Meta(description="The folder of the application's migration files; empty: there are none."),
    ] = ""
    metadata: Annotated[
        str,
        Meta(
            description="SQLAlchemy's MetaData of the application, `module:attribute`, which "
            "`podctl migrations new --autogenerate` compares with a shard."
        ),
    ] = ""
    every_seconds: Annotated[
        float, Meta(ge=1, description="How often each pod looks for a migration that may begin.")
    ] = 60.0
    queue: Annotated[str, Meta(description="The queue in which the job that applies migrations waits.")] = (
        "default"
    )
    lock_budget_seconds: Annotated[
        Positive,
        Meta(
            description="How long a statement of a migration may wait for a lock, and so make the "
            "application wait behind it; then it is tried again, later and later."
        ),
    ] = 3
    statement_seconds: Annotated[
        Seconds,
        Meta(
            description="How long one statement of a migration may take on MariaDB or MySQL before its "
            "connection counts as lost."
        ),
    ] = 21_600.0
    small_table_rows: Annotated[
        Count,
        Meta(
            description="Up to so many rows a table is small: a change whose work grows with the table is "
            "done in place there, and not by an online copy."
        ),
    ] = 100_000
    small_table_bytes: Annotated[
        Count, Meta(description="Up to which size a table of so few rows is small, indexes included.")
    ] = 67_108_864
    replicas: Annotated[
        Literal["auto", "yes", "no"],
        Meta(
            description="Whether replicas follow the shards, which lag behind a large change in place; "
            "`auto`: where the server writes a binlog."
        ),
    ] = "auto"
    replica_lag_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="An online copy waits while a replica of the shard is further behind, or none is "
            "connected; 0: it does not ask them.",
        ),
    ] = 0.0
    halt_queue_latency_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="A plan halts when a job waits longer for a worker, on a pod that has migrated or "
            "is about to; 0: it does not.",
        ),
    ] = 0.0
    halt_error_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="A plan halts when a larger share of attempts fails, from 0 to 1, on such a pod; "
            "0: it does not.",
        ),
    ] = 0.0


class MovesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How shops move from pod to pod."""

    tables: Annotated[
        str,
        Meta(
            description="The application's `ShopTables`, `module:attribute`, which says which rows are a "
            "shop's; empty: no shop is moved."
        ),
    ] = ""
    queue: Annotated[str, Meta(description="The queue in which the jobs that move shops wait.")] = "critical"
    small_rows: Annotated[
        Count,
        Meta(
            description="A shop with up to so many rows on MariaDB or MySQL is copied while its writes stand "
            "still, for some milliseconds, and its changes need not be followed; 0: every shop's are."
        ),
    ] = 500


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP endpoint of a worker: /metrics, /livez, /readyz."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0: no endpoint.")] = 0


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What processes write to standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error.")
    ] = "info"
    format: Annotated[
        Literal["text", "json"], Meta(description="`text` for people, `json` for machines.")
    ] = "text"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings; each section is a table of `podwork.toml`."""

    app: AppSettings = AppSettings()
    topology: TopologySettings = TopologySettings()
    redis: RedisSettings = RedisSettings()
    shard: ShardSettings = ShardSettings()
    worker: WorkerSettings = WorkerSettings()
    schedules: SchedulesSettings = SchedulesSettings()
    migrations: MigrationsSettings = MigrationsSettings()
    moves: MovesSettings = MovesSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One row of the table: what documentation and `podctl config view` show of a setting."""

    key: str
    environment: str
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings together with where each value came from (`flag`, `environment`, the file, `default`)."""

    settings: Settings
    origins: Mapping[str, str]
    file: Path | None


def table() -> list[SettingRow]:
    """Return every setting, in the order of the sections."""
    rows = []
    for section, field in _fields():
        key = f"{section}.{field.name}"
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        rows.append(SettingRow(key, _environment_name(key), default, _description(section, field.name)))
    return rows


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> LoadedSettings:
    """Merge the layers and validate them.

    Args:
        flags: values by key (`worker.threads`); `None` values are left out.
        environment: defaults to the process's environment.
        file: a settings file that must exist; without it `PODWORK_CONFIG`, then `podwork.toml` in the
            working directory if there is one.

    Raises:
        ConfigurationError: an unknown key, a wrong type, or a file that cannot be read or parsed.
    """
    env = os.environ if environment is None else environment
    path = _find_file(file, env)
    values: dict[str, Any] = {}
    origins = {row.key: "default" for row in table()}
    layers = [
        (str(path), _from_file(path) if path else {}),
        ("environment", _from_environment(env)),
        ("flag", {key: value for key, value in (flags or {}).items() if value is not None}),
    ]
    for origin, layer in layers:
        for key, value in layer.items():
            if key not in origins:
                raise _unknown(key, origin, list(origins))
            values[key] = value
            origins[key] = origin
    return LoadedSettings(_convert(values, origins), origins, path)


def _convert(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    types = {f"{section}.{field.name}": field.type for section, field in _fields()}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = key.split(".", 1)
        try:
            converted = msgspec.convert(value, types[key], strict=origins[key] != "environment")
        except msgspec.ValidationError as error:
            what = f"{key} = {value!r} (from {origins[key]}): {error}"
            raise ConfigurationError(what, _description(section, name)) from None
        nested.setdefault(section, {})[name] = converted
    if "queues" in nested.get("worker", {}):
        _check_queues(nested["worker"]["queues"], origins["worker.queues"])
    return msgspec.convert(nested, Settings)


def _check_queues(queues: list[str], origin: str) -> None:
    from podwork.worker.queue_order import QueueOrder  # noqa: PLC0415 - the worker's package, only when it is set

    try:
        names = QueueOrder(queues).names
    except ConfigurationError as error:
        raise ConfigurationError(f"worker.queues (from {origin}): {error.what}", error.remedy) from None
    if len(set(names)) < len(names):
        raise ConfigurationError(
            f"worker.queues (from {origin}) names a queue twice", "name each once, in order"
        )


def _find_file(file: Path | None, env: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    if named := env.get("PODWORK_CONFIG"):
        if not Path(named).is_file():
            raise ConfigurationError(f"PODWORK_CONFIG names {named}, which is no file", "mend or unset it")
        return Path(named)
    default = Path(DEFAULT_FILE)
    return default if default.exists() else None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", "give a readable file to --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}", "mend the file") from None
    flat: dict[str, Any] = {}
    for section, fields in document.items():
        if not isinstance(fields, dict):
            raise ConfigurationError(f"{path}: {section} stands outside a section", "see: podctl config view")
        flat.update({f"{section}.{name}": value for name, value in fields.items()})
    return flat


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    names = {_environment_name(row.key): row for row in table()}
    found: dict[str, Any] = {}
    for name, row in names.items():
        if name in env:
            is_list = isinstance(row.default, list)
            found[row.key] = [part.strip() for part in env[name].split(",")] if is_list else env[name]
    return found


def _unknown(key: str, origin: str, known: list[str]) -> ConfigurationError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "see: podctl config view"
    return ConfigurationError(f"unknown setting {key} (from {origin})", hint)


def _fields() -> list[tuple[str, msgspec.structs.FieldInfo]]:
    sections = msgspec.structs.fields(Settings)
    return [(section.name, field) for section in sections for field in msgspec.structs.fields(section.type)]


def _description(section: str, name: str) -> str:
    owner = type(getattr(Settings(), section))
    for part in get_type_hints(owner, include_extras=True)[name].__metadata__:
        if isinstance(part, Meta) and part.description:
            return part.description
    raise AssertionError(f"{section}.{name} has no description")


def _environment_name(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.replace(".", "_").upper()
