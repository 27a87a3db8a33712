"""The `podwork.toml` in a stack's folder."""

from __future__ import annotations

import json
import re
from pathlib import Path

_SECTION = "[topology]"
_HEADER = """\
# Written by podctl local up. Where the registry and the directory are is kept up to date by it;
# everything else in this file is yours: see podctl config view.
"""


def write_config(path: Path, registry_url: str, directory_url: str) -> None:
    """Put the two addresses into the file; what an operator added to it stays."""
    try:
        old = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        old = _HEADER
    new = _replace(_replace(old, "directory_url", directory_url), "registry_url", registry_url)
    part = path.with_suffix(".part")
    part.write_text(new, encoding="utf-8")
    part.replace(path)


def _replace(text: str, key: str, value: str) -> str:
    # What JSON writes for a string, TOML reads as the same string.
    line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    if re.search(rf"(?m)^{key}\s*=", text):
        return re.sub(rf"(?m)^{key}\s*=.*$", lambda _: line, text)
    if _SECTION not in text:
        text = f"{text.rstrip()}\n\n{_SECTION}\n"
    return text.replace(_SECTION, f"{_SECTION}\n{line}", 1)
