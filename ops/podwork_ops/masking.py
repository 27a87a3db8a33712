"""Secrets swept out of text that people or log collectors will read.

Promises: the password of any URL, and any `password=`, `token=` or `secret=`, becomes `***`. It is a net
for what slips through, not a licence to log secrets. Leaves to `podwork_pods.masking`: where in a URL its
password stands.
"""

from __future__ import annotations

import re
from typing import Any

from podwork_pods.masking import MASK, mask_url

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"]+", re.IGNORECASE)
_PAIR = re.compile(
    r"(?P<before>\b\w*(?:password|passwd|secret|token|api_?key)[\"']?\s*[=:]\s*)[\"']?[^\s,;&\"']+[\"']?",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(r"password|passwd|secret|token|api_?key|authorization", re.IGNORECASE)


def mask(text: str) -> str:
    """Return the text without passwords."""
    return _PAIR.sub(rf"\g<before>{MASK}", _URL.sub(lambda url: mask_url(url[0]), text))


def is_secret_name(name: str) -> bool:
    """Say whether a field's name promises a secret."""
    return bool(_SECRET_NAME.search(name))


def mask_value(name: str, value: Any) -> Any:
    """Return the value of a field of this name without secrets, however deep they lie in it."""
    if is_secret_name(name):
        return None if value is None else MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if name.endswith("_url"):  # a password with a blank or a quote in it too
        return mask_url(str(value))
    if isinstance(value, dict):
        return {key: mask_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_value("", item) for item in value]
    return mask(str(value))
