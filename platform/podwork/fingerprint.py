"""The fingerprint of an error: what makes two failures the same, whatever row, shop or moment they met.

Owns: eight hexadecimal digits over the job class, the error's type, its message without what differs from job
to job (quoted parts, ids, numbers), and the function of the application in which it arose. Not the line: a
deploy that moves a line would split every group. Promises: the same on every process and in every version of
Python, as far as the message is. What is the application's: everything but Python's own library, installed
packages and podwork, and always the package of the job itself, which may be installed too. Leaves to others:
storing it (extras tag `e`, `podwork.record`), acting on all jobs that have it.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
from typing import Final

from podwork.retry import message_of, type_name

DIGITS: Final = 8
MESSAGE_CHARACTERS: Final = 1000
_INSTALLED: Final = (
    "<frozen",
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
_ENGINE: Final = __name__.partition(".")[0]
_QUOTED: Final = re.compile(r"""(?<!\w)(["'`]).*?\1(?!\w)""")
_WITH_DIGITS: Final = re.compile(r"[\w.:+-]*\d[\w.:+-]*")


def fingerprint_of(job_class: str, error: BaseException) -> str:
    """Return the fingerprint of an error that a job of the class has raised."""
    return _digest(job_class, type_name(error), normalised(message_of(error)), _where(error))


def fingerprint_of_reason(job_class: str, reason: str) -> str:
    """Return the fingerprint of an end that is no error of the job's."""
    return _digest(job_class, "", normalised(reason), "")


def normalised(message: str) -> str:
    """Return the message without what differs from job to job: quoted parts, and words with a digit."""
    return _WITH_DIGITS.sub("#", _QUOTED.sub("?", message[:MESSAGE_CHARACTERS]))


def _where(error: BaseException) -> str:
    """Return module and function of the innermost frame that is the application's; else of the innermost."""
    innermost, ours, home = "", "", ""
    trace = error.__traceback__
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        innermost = f"{module}.{frame.f_code.co_qualname}"
        if package == _ENGINE or package.startswith(f"{_ENGINE}_"):
            continue
        home = home or package  # the outermost is the job itself
        if package == home or not frame.f_code.co_filename.startswith(_INSTALLED):
            ours = innermost
    return ours or innermost


def _digest(*parts: str) -> str:
    text = "\0".join(parts).encode(errors="backslashreplace")
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()[:DIGITS]
