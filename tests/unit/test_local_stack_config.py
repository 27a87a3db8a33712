"""The settings file in a stack's folder."""

from __future__ import annotations

from pathlib import Path

from podwork.settings import load
from podwork_ops.local.stack_config import write_config


def addresses(path: Path) -> tuple[str, str]:
    topology = load(environment={}, file=path).settings.topology
    return topology.registry_url, topology.directory_url


def test_a_new_file_holds_the_addresses(tmp_path: Path) -> None:
    path = tmp_path / "podwork.toml"
    write_config(path, 'sqlite:////a "b"/é.db', "sqlite:////c\\d.db")
    assert addresses(path) == ('sqlite:////a "b"/é.db', "sqlite:////c\\d.db")


def test_what_the_operator_added_stays(tmp_path: Path) -> None:
    path = tmp_path / "podwork.toml"
    write_config(path, "sqlite:///a.db", "sqlite:///b.db")
    path.write_text(path.read_text() + '\n[app]\ntarget = "shop:app"\n')
    write_config(path, "zookeeper://127.0.0.1:2181/podwork", "sqlite:///b.db")
    assert addresses(path) == ("zookeeper://127.0.0.1:2181/podwork", "sqlite:///b.db")
    assert load(environment={}, file=path).settings.app.target == "shop:app"


def test_a_file_whose_addresses_were_deleted_gets_them_back(tmp_path: Path) -> None:
    path = tmp_path / "podwork.toml"
    path.write_text('[app]\ntarget = "shop:app"\n')
    write_config(path, "sqlite:///a.db", "sqlite:///b.db")
    assert addresses(path) == ("sqlite:///a.db", "sqlite:///b.db")
