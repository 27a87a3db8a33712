"""Named points at which a crash test may stop a process and kill, pause or cut it exactly there.

Owns: the one hook. In production nothing is installed and `reach` costs a global look-up. Crash tests
install a hook in the process under test (see `tests/support/pause.py`); nothing reads the environment.
"""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Call `hook(name)` at every point from now on; `None` takes it out."""
    global _hook  # noqa: PLW0603 - one hook per process is the purpose of this module
    _hook = hook


def reach(name: str) -> None:
    """Say that the process stands at the named point."""
    if _hook is not None:
        _hook(name)
