"""The four source roots stay plain folders, and `import platform` stays the standard library's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.sources import PACKAGES, ROOT, SOURCE_ROOTS


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_no_module_lies_directly_in_a_source_root(root: str) -> None:
    assert [path.name for path in (ROOT / root).glob("*.py")] == []


@pytest.mark.parametrize(("root", "package"), list(zip(SOURCE_ROOTS, PACKAGES, strict=True)))
def test_each_root_holds_its_package(root: str, package: str) -> None:
    assert (ROOT / root / package / "__init__.py").is_file()


def test_the_standard_library_platform_is_importable_from_the_root() -> None:
    probe = "import platform, sys; print(platform.__file__); platform.python_version()"
    ran = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    assert str(ROOT) not in ran.stdout.replace(sys.prefix, "")


def test_types_are_shipped() -> None:
    missing = [
        package
        for root, package in zip(SOURCE_ROOTS, PACKAGES, strict=True)
        if not (ROOT / root / package / "py.typed").is_file()
    ]
    assert missing == []
