"""Connections to MariaDB share what the driver makes of no settings for TLS, and nothing else."""

from __future__ import annotations

import ssl
from typing import Any

import pymysql
import pytest

from podwork.settings import ShardSettings
from podwork_pods.engines import make_engine
from podwork_pods.errors import ShardUnavailable
from podwork_pods.handshake import QuickConnection


def test_the_systems_certificates_are_read_once(mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuickConnection, "_unasked", None)
    made: list[object] = []
    create = ssl.create_default_context

    def noting(*given: Any, **named: Any) -> ssl.SSLContext:
        made.append(given)
        return create(*given, **named)

    monkeypatch.setattr(ssl, "create_default_context", noting)
    engine = make_engine(mariadb_url, lambda why: ShardUnavailable(1, "", why), ShardSettings())
    with engine.connect() as one, engine.connect() as two:
        assert one.exec_driver_sql("SELECT CONNECTION_ID()").scalar() != (
            two.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
        )
    engine.dispose()
    assert len(made) <= 1


def test_no_settings_mean_what_they_mean_to_the_driver() -> None:
    ours, theirs = QuickConnection(defer_connect=True), pymysql.Connection(defer_connect=True)
    assert (ours.ssl, ours._ssl_required) == (theirs.ssl, theirs._ssl_required)  # type: ignore[attr-defined]
    assert ours.ctx is QuickConnection(defer_connect=True).ctx  # type: ignore[attr-defined]
    for name in ("verify_mode", "check_hostname", "options", "verify_flags", "minimum_version"):
        assert getattr(ours.ctx, name) == getattr(theirs.ctx, name)  # type: ignore[attr-defined]


def test_settings_of_tls_are_not_shared() -> None:
    authorities = ssl.get_default_verify_paths().cafile
    checked = QuickConnection(defer_connect=True, ssl={"ca": authorities, "check_hostname": True})
    assert checked.ctx is not QuickConnection(defer_connect=True).ctx  # type: ignore[attr-defined]
    assert checked.ctx.verify_mode is ssl.CERT_REQUIRED or authorities is None  # type: ignore[attr-defined]
    plain = QuickConnection(defer_connect=True).ctx  # type: ignore[attr-defined]
    assert plain.verify_mode is ssl.CERT_NONE
