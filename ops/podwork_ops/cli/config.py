"""`podctl config`: every setting with its value and where it came from.

Promises: passwords are shown as `***`. `validate` also names environment variables that look like
settings and are none, which loading cannot refuse (another tool may own them).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

from podwork.errors import ConfigurationError
from podwork.settings import ENVIRONMENT_PREFIX, LoadedSettings, table
from podwork_ops.cli.commands import Group
from podwork_ops.cli.output import Column
from podwork_ops.cli.session import Session, session
from podwork_ops.composition import open_platform
from podwork_ops.masking import mask_value

# Variables with our prefix that are not settings.
OTHER_VARIABLES = frozenset({"PODWORK_CONFIG"})

COLUMNS = [
    Column("SETTING", "setting"),
    Column("VALUE", "value", wide=True),
    Column("FROM", "origin", wide=True),
]

config = Group("config", help="Show and check the settings.")


@config.command(
    examples=["podctl config view", "podctl config view -o json", "podctl config view --config pods.toml"]
)
@session
def view(session: Session) -> None:
    """Show every setting, its value and where the value came from."""
    loaded = session.load()
    session.out.rows("settings", setting_rows(loaded), COLUMNS)


@config.command(examples=["podctl config validate", "podctl config validate --config pods.toml"])
@session
def validate(session: Session) -> None:
    """Check the settings file and the environment without starting anything."""
    loaded = session.load()
    strangers = unknown_variables(os.environ)
    if strangers:
        names = ", ".join(f"{name} ({hint})" if hint else name for name, hint in strangers.items())
        raise ConfigurationError(f"no such setting: {names}", "unset it, or see: podctl config view")
    with open_platform(loaded.settings):
        pass  # it connects to nothing, but a URL that cannot be used is refused here
    file = str(loaded.file) if loaded.file else None
    if session.out.json:
        session.out.document({"valid": True, "file": file, "settings": len(loaded.origins)})
    else:
        session.out.message(f"the settings are valid ({file or 'no settings file'})")


def setting_rows(loaded: LoadedSettings) -> list[dict[str, Any]]:
    """Return one row per setting, ready to be shown."""
    rows = []
    for row in table():
        section, name = row.key.split(".")
        value = getattr(getattr(loaded.settings, section), name)
        rows.append(
            {
                "setting": row.key,
                "value": mask_value(name, value),
                "origin": loaded.origins[row.key],
                "environment": row.environment,
                "description": row.description,
            }
        )
    return rows


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with a hint."""
    known = {row.environment for row in table()} | OTHER_VARIABLES
    strangers = {}
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            strangers[name] = f"did you mean {near[0]}?" if near else ""
    return strangers
