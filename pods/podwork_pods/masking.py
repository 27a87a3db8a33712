"""Takes passwords out of what people and logs get to see.

Owns: `mask_url` and `sweep`. Promises: neither the password of a URL, nor its percent-encoded form, is left
in their results. Leaves to others: to call them on whatever a driver said.
"""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"

# The password ends at the last @ before the path; without one there, at the last @ of all, because SQLAlchemy
# takes a password with a slash in it as it stands. Better too much is hidden than too little.
_USER_PART = re.compile(r"(?<=://)([^/@:]*):([^/]*|.*)@")
_QUERY_PASSWORD = re.compile(r"(?<=[?&])(password|passwd|auth)=[^&#]*", re.IGNORECASE)


def mask_url(url: str) -> str:
    """Return the URL with its passwords, in the user part and in the query, replaced by `***`."""
    return _USER_PART.sub(rf"\1:{MASK}@", _QUERY_PASSWORD.sub(rf"\1={MASK}", url))


def sweep(text: str, *urls: str) -> str:
    """Return the text with every password of the URLs replaced, in whatever encoding it stands."""
    for secret in sorted({form for url in urls for form in _secrets(url)}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets(url: str) -> set[str]:
    found = [match.group(2) for match in _USER_PART.finditer(url)]
    found += [match.group(0).split("=", 1)[1] for match in _QUERY_PASSWORD.finditer(url)]
    forms = {
        form for raw in found for form in (raw, unquote(raw), quote(unquote(raw)), quote_plus(unquote(raw)))
    }
    return {form for form in forms if form}


def address_of(url: str) -> str:
    """Return what a person needs to find the server: the URL without user and password."""
    parts = urlsplit(mask_url(url))
    host = parts.netloc.rsplit("@", 1)[-1]
    return parts._replace(netloc=host, query="").geturl() if host else mask_url(url)
