"""The directory: which pod owns which shop, and since which epoch.

`schema` names the tables; `directory` is the whole; `extents`, `allocation` and `changes` are its nouns.
"""

from __future__ import annotations

from podwork_pods.directory.changes import Change
from podwork_pods.directory.directory import Directory
from podwork_pods.directory.extents import Extent

__all__ = ["Change", "Directory", "Extent"]
