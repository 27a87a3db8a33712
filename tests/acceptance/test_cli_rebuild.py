"""`podctl pods rebuild`, and what doctor says of a Redis that lost its memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import podwork_ops
from podwork_ops.composition import Platform
from podwork_pods import shop_transaction
from podwork_pods.outbox.arrivals import Arrivals
from podwork_pods.outbox.relay import Relay
from tests.acceptance import shop_for_cli
from tests.acceptance.conftest import Podctl

SHOP = 330


@pytest.fixture
def platform(cli_stack: Path) -> Iterator[Platform]:
    opened = podwork_ops.connect(shop_for_cli.app, config=cli_stack)
    opened.directory.assign(SHOP, 1)
    yield opened
    shop_for_cli.app.bind(None)
    opened.close()


def emptied(platform: Platform, jobs: int) -> None:
    """Let so many jobs be in the outbox of pod 1, relayed, and its Redis empty."""
    rows = [{"basket_id": number, "shop_id": SHOP} for number in range(jobs)]
    with shop_transaction(SHOP) as session:
        shop_for_cli.collect.enqueue_bulk(rows, transaction=session)
    queues = platform.topology.queues(1)
    Relay("test", platform.topology.outbox_rows(1), Arrivals(queues)).turn()
    queues.store.command("FLUSHDB")


def outbox_check(podctl: Podctl) -> list[tuple[str, str, str]]:
    done = podctl("doctor")
    lines = [line for line in done.stdout.splitlines() if line.startswith("pod 1 outbox")]
    return [(line[:12], line.split()[3], " ".join(line.split()[4:])) for line in lines]


def test_an_emptied_redis_is_found_by_doctor_and_rebuilt(podctl: Podctl, platform: Platform) -> None:
    emptied(platform, 7)
    assert outbox_check(podctl) == [
        ("pod 1 outbox", "ok", "7 jobs that did not end yet, all relayed -"),
        ("pod 1 outbox", "fail", "Redis was emptied: jobs may be missing there run: podctl pods rebuild 1"),
    ]
    would = podctl.json("pods", "rebuild", "1", "--dry-run")
    assert (would["redis"], would["pushed"], would["changed"], would["dry_run"]) == (
        "was emptied",
        7,
        False,
        True,
    )
    assert "--yes" in podctl.refused(2, "pods", "rebuild", "1")
    did = podctl.json("pods", "rebuild", "1", "--yes")
    assert (did["rows"], did["pushed"], did["changed"]) == (7, 7, True)
    assert "jobs pushed without a transaction" in did["not_restored"]
    again = podctl.json("pods", "rebuild", "1", "--yes")
    assert (again["redis"], again["pushed"], again["there"], again["changed"]) == (
        "was not emptied",
        0,
        7,
        False,
    )
    assert [verdict for _, verdict, _ in outbox_check(podctl)] == ["ok"]
    assert platform.inspection(1).counts().ready == 7


def test_a_person_reads_what_was_done_and_what_cannot_be(podctl: Podctl, platform: Platform) -> None:
    emptied(platform, 2)
    done = podctl("pods", "rebuild", "1", "--yes")
    assert done.code == 0, done
    shown = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert int(shown["pushed"]) >= 2
    assert "cannot be given back: jobs pushed without a transaction" in done.stderr


def test_jobs_of_shops_on_hold_end_it_with_a_conflict(podctl: Podctl, platform: Platform) -> None:
    emptied(platform, 1)
    queues = platform.topology.queues(1)
    queues.set_gate(SHOP, "hold", 1, 1)
    refused = podctl("pods", "rebuild", "1", "--yes")
    assert refused.code == 3, refused
    assert "run it again when the shops are open" in refused.stderr
    queues.set_gate(SHOP, "open", 1, 1)
    assert podctl("pods", "rebuild", "1", "--yes").code == 0


def test_a_pod_with_jobs_in_its_outbox_is_not_removed(
    podctl: Podctl, platform: Platform, valkey_url: str, tmp_path: Path
) -> None:
    shard = f"sqlite:///{tmp_path}/nine.db"
    podctl.json("pods", "add", "--id", "9", "--shard-url", shard, "--redis-url", valkey_url, "--weight", "0")
    with platform.engine(9).begin() as connection:
        shop_for_cli.Reindex.enqueue(pod=9, transaction=connection)
    assert "1 job in its outbox" in podctl.refused(3, "pods", "remove", "9", "--yes")


def test_an_unknown_pod_is_refused(podctl: Podctl) -> None:
    assert podctl.refused(6, "pods", "rebuild", "77", "--yes")
