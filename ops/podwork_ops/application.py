"""Finding the application: from `module:attribute` to the `App` that declares the jobs.

Promises: whatever is wrong with the target, or with the application's own code, is one `AppNotLoaded`
that says which module, which line and what to try. The working directory counts as a source of modules,
as it does for `python -m`.
"""

from __future__ import annotations

import difflib
import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from podwork import App
from podwork.schedules.file import declare_from
from podwork_ops.errors import AppNotLoaded

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from podwork_pods.mover.tables.declaration import ShopTables


def load_app(target: str) -> App:
    """Import the application named by `module:attribute`.

    Raises:
        AppNotLoaded: no such module or attribute, its import fails, or it is no App.
    """
    if not target:
        raise AppNotLoaded(
            "no application is named", "give --app module:attribute, or set app.target in podwork.toml"
        )
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise AppNotLoaded(f"{target!r} is not module:attribute", f"write {module_name or 'shop'}:app")
    module = _import(module_name)
    found = _attribute(module, attribute)
    if not isinstance(found, App):
        apps = [name for name, value in vars(module).items() if isinstance(value, App)]
        hint = f"use {module_name}:{apps[0]}" if apps else 'make one: app = App("shop")'
        raise AppNotLoaded(f"{target} is of type {type(found).__name__}, not a podwork.App", hint)
    return found


def load_metadata(target: str) -> MetaData:
    """Import SQLAlchemy's MetaData named by `module:attribute`, or that of the declarative base named so.

    Raises:
        AppNotLoaded: no such module or attribute, its import fails, or it has no MetaData.
    """
    from sqlalchemy import MetaData  # noqa: PLC0415 - a worker compares nothing

    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        what = f"{target!r} is not module:attribute" if target else "no metadata is named"
        raise AppNotLoaded(what, "give --metadata shop.models:metadata, or set migrations.metadata")
    found = _attribute(_import(module_name), attribute)
    metadata = getattr(found, "metadata", found)
    if not isinstance(metadata, MetaData):
        raise AppNotLoaded(
            f"{target} is of type {type(found).__name__}, and no MetaData",
            "name a MetaData, or a declarative base",
        )
    return metadata


def load_tables(target: str) -> ShopTables:
    """Import the `ShopTables` named by `module:attribute`; if none is named, the application has no tables.

    Raises:
        AppNotLoaded: no such module or attribute, its import fails, or it is no ShopTables.
    """
    from podwork_pods.mover.tables.declaration import ShopTables  # noqa: PLC0415 - only movers need them

    if not target:
        return ShopTables()
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise AppNotLoaded(f"{target!r} is not module:attribute", "set moves.tables to shop.tables:tables")
    found = _attribute(_import(module_name), attribute)
    if not isinstance(found, ShopTables):
        raise AppNotLoaded(
            f"{target} is of type {type(found).__name__}, and no ShopTables",
            'write tables = ShopTables(shop("orders"), ...)',
        )
    return found


def declare_schedules(file: str, app: App) -> None:
    """Declare the schedules of the file, beside those of the application's code; no file: none.

    Raises:
        ConfigurationError: one line that names file, schedule and key.
    """
    if file:
        declare_from(Path(file), app)


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise AppNotLoaded(
                f"there is no module {error.name} in {here} nor on the Python path",
                "run podctl where the application is, or install it",
            ) from error
        raise _failed(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(name, error) from error


def _attribute(module: ModuleType, path: str) -> object:
    found: object = module
    for part in path.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(found) if not name.startswith("_")]
            near = difflib.get_close_matches(part, names, n=1)
            apps = [name for name in names if isinstance(getattr(found, name), App)]
            hint = next((f"did you mean {module.__name__}:{name}?" for name in [*apps, *near]), "check --app")
            raise AppNotLoaded(f"module {module.__name__} has no attribute {part}", hint)
        found = getattr(found, part)
    return found


def _failed(name: str, error: BaseException) -> AppNotLoaded:
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if not frame.filename.startswith("<") and "importlib" not in frame.filename
    ]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" at {Path(error.filename).name}:{error.lineno}"
    return AppNotLoaded(
        f"importing {name} failed: {type(error).__name__}: {error}{where}",
        "mend the application, or see the traceback with --debug",
    )
