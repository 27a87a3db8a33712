"""The commands that only look: a table for people, JSON for machines, on a stack that runs."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.conftest import Podctl


def test_pods_are_listed_with_their_shops(podctl: Podctl) -> None:
    header, *rows = podctl.table("pods", "list")
    assert header.split() == ["POD", "STATE", "SHOPS", "WEIGHT", "SHARD", "REDIS", "LABELS"]
    assert [row.split()[:2] for row in rows] == [["1", "active"], ["2", "active"]]
    pods = podctl.json("pods", "list")["pods"]
    assert [(pod["pod_id"], pod["state"], pod["weight"]) for pod in pods] == [
        (1, "active", 100),
        (2, "active", 100),
    ]


def test_one_pod_is_shown_field_by_field(podctl: Podctl) -> None:
    assert "state" in {line.split()[0] for line in podctl.table("pods", "get", "1")}
    assert podctl.json("pods", "get", "2")["pod_id"] == 2


def test_a_shop_is_located_once_it_is_assigned(podctl: Podctl) -> None:
    podctl.json("shops", "assign", "401", "--pod", "2")
    assert podctl.json("shops", "locate", "401") == {"shops": [{"shop_id": 401, "pod_id": 2, "epoch": 1}]}
    assert podctl.table("shops", "locate", "401")[1].split() == ["401", "2", "1"]


def test_shop_0_is_listed_too(podctl: Podctl) -> None:
    podctl.json("shops", "assign", "0", "--pod", "1")
    assert podctl.json("shops", "list", "--limit", "1")["shops"] == [{"shop_id": 0, "pod_id": 1}]
    assert podctl.json("shops", "list", "--after", "0", "--limit", "1")["shops"][0]["shop_id"] > 0


def test_shops_are_listed_a_page_at_a_time_in_their_order(podctl: Podctl) -> None:
    podctl.json("shops", "assign", "501", "503", "--pod", "1")
    podctl.json("shops", "assign", "502", "--pod", "2")
    first = podctl.json("shops", "list", "--after", "500", "--limit", "2")
    assert [shop["shop_id"] for shop in first["shops"]] == [501, 502]
    second = podctl.json("shops", "list", "--after", str(first["next_after"]), "--limit", "2")
    assert [shop["shop_id"] for shop in second["shops"]] == [503]
    assert second["next_after"] is None
    only = podctl.json("shops", "list", "--pod", "2", "--after", "500")
    assert [shop["shop_id"] for shop in only["shops"]] == [502]


def test_queues_and_states_are_listed_for_one_pod_and_for_all(podctl: Podctl) -> None:
    podctl.json("jobs", "enqueue", "tests.acceptance.shop_for_cli.Reindex", "--pod", "2")
    listed = podctl.json("queues", "list", "--pod", "2")
    (queue,) = [row for row in listed["queues"] if row["queue"] == "low"]
    assert queue["ready"] >= 1
    assert queue["shops"] == 1
    assert queue["oldest_seconds"] >= 0
    assert listed["pods"][0]["ready"] >= 1
    assert {pod["pod_id"] for pod in podctl.json("queues", "list")["pods"]} == {1, 2}
    text = "\n".join(podctl.table("queues", "list"))
    assert "PAUSED BY, WHY" in text
    assert "SCHEDULED" in text
    assert "DEAD" in text


def test_without_workers_the_list_of_processes_is_empty_and_says_what_to_do(podctl: Podctl) -> None:
    assert podctl.json("processes", "list") == {"processes": []}
    done = podctl("processes", "list")
    assert (done.code, done.stdout) == (0, "")
    assert "podctl workers" in done.stderr


def test_every_setting_is_shown_with_its_origin_and_without_passwords(podctl: Podctl) -> None:
    environment = {"PODWORK_TOPOLOGY_DIRECTORY_URL": "mysql+pymysql://app:hunter2@db/shop"}
    done = podctl("config", "view", "-o", "json", environment=environment)
    rows = {row["setting"]: row for row in json.loads(done.stdout)["settings"]}
    assert rows["topology.directory_url"]["origin"] == "environment"
    assert rows["topology.directory_url"]["value"] == "mysql+pymysql://app:***@db/shop"
    assert rows["topology.registry_url"]["origin"].endswith("podwork.toml")
    assert rows["worker.threads"] == {
        "setting": "worker.threads",
        "value": 5,
        "origin": "default",
        "environment": "PODWORK_WORKER_THREADS",
        "description": rows["worker.threads"]["description"],
    }
    assert "hunter2" not in podctl("config", "view", environment=environment).stdout


def test_valid_settings_are_called_valid(podctl: Podctl) -> None:
    assert "valid" in podctl("config", "validate").stderr
    assert podctl.json("config", "validate")["valid"] is True


def test_the_exit_codes_are_explained(podctl: Podctl) -> None:
    assert {row["code"] for row in podctl.json("exit-codes")["exit_codes"]} >= {0, 1, 2, 3, 5, 124, 130, 143}
    assert podctl.table("exit-codes")[0].split() == ["CODE", "MEANING"]


def test_doctor_finds_a_stack_healthy_and_says_what_is_missing(podctl: Podctl) -> None:
    report = podctl.json("doctor")
    assert report["healthy"] is True
    checks = {check["check"] for check in report["checks"]}
    assert {"settings", "application", "registry", "directory", "pod 1 shard", "pod 2 redis"} <= checks
    assert not [check for check in report["checks"] if check["verdict"] == "fail"]
    assert any("podctl workers --pod 1" in check["remedy"] for check in report["checks"])
    assert podctl.table("doctor")[0].split()[:3] == ["CHECK", "VERDICT", "FOUND"]


def test_local_status_shows_the_servers(podctl: Podctl) -> None:
    config = podctl.environment["PODWORK_CONFIG"]
    folder = config.removesuffix("/podwork.toml")
    status = podctl.json("local", "status", "--dir", folder)
    assert status["health"] == "up"
    assert [server["health"] for server in status["servers"]] == ["up", "up"]
    assert podctl.table("local", "status", "--dir", folder)[0].split() == [
        "SERVER",
        "KIND",
        "HEALTH",
        "PID",
        "URL",
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(podctl: Podctl, shell: str) -> None:
    assert "_PODCTL_COMPLETE" in "\n".join(podctl.table("completion", shell))
    assert podctl.json("completion", shell)["shell"] == shell


def test_words_and_live_pods_are_completed(podctl: Podctl) -> None:
    def completed(*words: str) -> set[str]:
        done = podctl(
            environment={
                "_PODCTL_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["podctl", *words]),
                "COMP_CWORD": str(len(words)),
            }
        )
        assert done.stderr == ""
        return {line.split(",")[1] for line in done.stdout.splitlines()}

    assert completed("que") == {"queues"}
    assert completed("pods", "d") == {"drain"}
    assert completed("workers", "--pod", "") == {"1", "2"}
    assert completed("workers", "--queues", "cr") == {"critical"}
