"""The commands that change something: once, again without harm, as a dry run, only after a yes."""

from __future__ import annotations

import signal
from pathlib import Path

from podwork.settings import load
from podwork_migrations.plan import rows
from podwork_migrations.plan.store import PlanStore
from tests.acceptance.conftest import Podctl

REINDEX = "tests.acceptance.shop_for_cli.Reindex"
COLLECT = "tests.acceptance.shop_for_cli.collect"
SAY = "tests.acceptance.shop_for_cli.say"


def state(podctl: Podctl, pod_id: int) -> str:
    return str(podctl.json("pods", "get", str(pod_id))["state"])


def test_draining_and_activating_say_when_nothing_changed(podctl: Podctl) -> None:
    assert "would be set to draining" in podctl("pods", "drain", "2", "--dry-run").stderr
    assert state(podctl, 2) == "active"
    assert podctl.json("pods", "drain", "2")["changed"] is True
    assert podctl.json("pods", "drain", "2")["changed"] is False
    assert "nothing to change" in podctl("pods", "drain", "2").stderr
    assert "draining" in podctl.refused(3, "shops", "assign", "901", "--pod", "2")
    assert podctl.json("shops", "assign", "902")["shops"][0]["pod_id"] == 1
    assert podctl.json("pods", "activate", "2")["changed"] is True
    assert state(podctl, 2) == "active"


def test_what_a_job_prints_reaches_a_log_file(podctl: Podctl) -> None:
    worker = podctl.start("workers", "--pod", "1", environment={"PYTHONUNBUFFERED": ""})
    assert podctl("jobs", "enqueue", SAY, "--pod", "1", "--arg", "words=hello").code == 0
    worker.wait_for_output("hello\n")
    worker.signal(signal.SIGTERM)
    assert worker.wait().stdout == "hello\n"


def test_a_pod_is_added_changed_and_removed(podctl: Podctl, valkey_url: str, tmp_path: Path) -> None:
    add = [
        "pods",
        "add",
        "--id",
        "9",
        "--shard-url",
        f"sqlite:///{tmp_path}/nine.db",
        "--redis-url",
        valkey_url,
    ]
    add += ["--label", "region=eu", "--weight", "0"]
    assert podctl.json(*add, "--dry-run")["changed"] is False
    assert podctl.refused(6, "pods", "get", "9")
    assert podctl.json(*add)["changed"] is True
    assert podctl.json(*add)["changed"] is False
    assert podctl.json("pods", "get", "9")["labels"] == {"region": "eu"}
    assert "podctl pods set" in podctl.refused(3, *add, "--label", "region=us")

    assert podctl.json("pods", "set", "9", "--weight", "7", "--label", "region=")["changed"] is True
    assert podctl.json("pods", "set", "9", "--weight", "7")["changed"] is False
    changed = podctl.json("pods", "get", "9")
    assert (changed["weight"], changed["labels"]) == (7, {})

    assert "--yes" in podctl.refused(2, "pods", "remove", "9")
    assert podctl.json("pods", "remove", "9", "--dry-run")["changed"] is False
    job_id = podctl.table("jobs", "enqueue", REINDEX, "--pod", "9")[0]
    assert "holds 1 job" in podctl.refused(3, "pods", "remove", "9", "--yes")
    assert podctl.json("jobs", "get", job_id)["pod_id"] == 9


def test_plans_of_migrations_forget_a_pod_that_is_removed(
    podctl: Podctl, cli_stack: Path, valkey_url: str, tmp_path: Path
) -> None:
    shard = f"sqlite:///{tmp_path}/eleven.db"
    podctl.json("pods", "add", "--id", "11", "--shard-url", shard, "--redis-url", valkey_url)
    podctl.json("migrations", "hold", "--pod", "11", "--reason", "its disk")
    plans = PlanStore.open(load(environment={}, file=cli_stack).settings)
    try:
        assert 11 in plans.read(rows.notes)
        assert podctl.json("pods", "remove", "11", "--yes")["changed"] is True
        assert 11 not in plans.read(rows.notes)
    finally:
        plans.close()
    podctl.refused(6, "pods", "get", "11")


def test_a_pod_that_owns_shops_is_not_removed(podctl: Podctl) -> None:
    podctl.json("shops", "assign", "911", "--pod", "1")
    assert "owns" in podctl.refused(3, "pods", "remove", "1", "--yes")


def test_a_pod_that_cannot_be_reached_is_not_added(podctl: Podctl, tmp_path: Path) -> None:
    shard = f"sqlite:///{tmp_path}/ten.db"
    podctl.refused(
        7, "pods", "add", "--id", "10", "--shard-url", shard, "--redis-url", "redis://127.0.0.1:1/0"
    )
    podctl.refused(6, "pods", "get", "10")


def test_a_shop_gets_its_first_pod_once(podctl: Podctl) -> None:
    assign = ["shops", "assign", "921", "922", "--pod", "1"]
    dry = podctl.json(*assign, "--dry-run")
    assert [row["epoch"] for row in dry["shops"]] == [None, None]
    podctl.refused(6, "shops", "locate", "921")
    assert podctl.json(*assign)["assigned"] == 2
    assert podctl.json(*assign)["assigned"] == 0
    assert "nothing to change" in podctl(*assign).stderr
    assert "move" in podctl.refused(3, "shops", "assign", "921", "--pod", "2")


def test_a_job_is_pushed_for_a_shop_and_found_again(podctl: Podctl) -> None:
    podctl.json("shops", "assign", "931", "--pod", "2")
    (job_id,) = podctl.table("jobs", "enqueue", COLLECT, "--shop", "931", "--arg", "basket_id=9")
    assert job_id.endswith("-931")
    job = podctl.json("jobs", "get", job_id)
    assert (job["state"], job["job_class"], job["pod_id"]) == ("ready", COLLECT, 2)
    assert (job["shop_id"], job["epoch"], job["queue"], job["args"]) == (931, 1, "default", {"basket_id": 9})
    assert (job["attempts"], job["error"], job["incarnation"]) == (0, None, None)
    shown = dict(line.split(maxsplit=1) for line in podctl.table("jobs", "get", job_id) if "  " in line)
    assert shown["state"] == "ready"


def test_a_job_goes_to_every_pod_and_to_another_queue(podctl: Podctl) -> None:
    pushed = podctl.json(
        "jobs", "enqueue", REINDEX, "--every-pod", "--args", '{"full": true}', "--queue", "critical"
    )
    assert pushed["pods"] == [1, 2] or set(pushed["pods"]) >= {1, 2}
    assert len(pushed["job_ids"]) == len(pushed["pods"])
    jobs = [podctl.json("jobs", "get", job_id) for job_id in pushed["job_ids"]]
    assert {job["queue"] for job in jobs} == {"critical"}
    assert all(job["args"] == {"full": True} for job in jobs)


def test_a_dry_run_pushes_nothing(podctl: Podctl) -> None:
    before = podctl.json("queues", "list", "--pod", "1")["pods"]
    done = podctl("jobs", "enqueue", REINDEX, "--pod", "1", "--dry-run")
    assert (done.code, done.stdout) == (0, "")
    assert "pod 1" in done.stderr
    assert podctl.json("queues", "list", "--pod", "1")["pods"] == before


def test_a_stack_comes_up_again_and_goes(podctl: Podctl, tmp_path: Path) -> None:
    folder = str(tmp_path / "one")
    up = podctl.json("local", "up", "--pods", "1", "--dir", folder)
    try:
        assert (up["health"], up["pods"]) == ("up", 1)
        assert podctl.json("local", "up", "--dir", folder)["servers"] == up["servers"]
        assert podctl.json("pods", "list", "--config", up["config"])["pods"][0]["pod_id"] == 1
        assert podctl.json("local", "down", "--dir", folder)["health"] == "down"
        assert "nothing to stop" in podctl("local", "down", "--dir", folder).stderr
        assert "--yes" in podctl.refused(2, "local", "down", "--purge", "--dir", folder)
    finally:
        assert podctl.json("local", "down", "--purge", "--yes", "--dir", folder)["health"] == "absent"
    assert not Path(folder).exists()
