"""Migrations as operators plan, see, mend and end them, with real workers on two pods, and with mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from podwork.settings import load
from podwork_ops.composition import Platform
from podwork_pods.topology import Topology
from tests.acceptance.conftest import Podctl
from tests.acceptance.operators import Terminal, start_worker
from tests.support.wait import until

ADD, BREAK, FILL = "20261124120000", "20261124120100", "20261124120200"
HEAD = "import sqlalchemy as sa\nfrom podwork_migrations import data, schema\n\n"
FILES = {
    f"{ADD}_add_status": """@schema
def up(op):
    op.add_column("parcels", sa.Column("status", sa.String(20)))

def down(op):
    op.drop_column("parcels", "status")
""",
    f"{BREAK}_add_weight": """@schema
def up(op):
    op.add_column("parcels", sa.Column("weight", sa.Integer()))
""",
    f"{FILL}_fill_status": f"""@data(requires=["{ADD}"])
def up(data):
    data.execute("UPDATE parcels SET status = 'sent' WHERE id = 1")
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shop") / "migrations"
    made.mkdir()
    for name, code in FILES.items():
        (made / f"{name}.py").write_text(HEAD + code)
    return made


@pytest.fixture(autouse=True)
def _migrating(podctl: Podctl, folder: Path) -> None:
    podctl.environment |= {
        "PODWORK_MIGRATIONS_FOLDER": str(folder),
        "PODWORK_MIGRATIONS_EVERY_SECONDS": "1",
        "PODWORK_WORKER_LEASE_SECONDS": "3",
    }


@pytest.fixture
def platform(cli_stack: Path) -> Iterator[Platform]:
    settings = load(environment={}, file=cli_stack).settings
    opened = Platform(settings, Topology.open(settings))
    yield opened
    opened.close()


def execute(platform: Platform, statement: str, pod: int = 1) -> None:
    with platform.engine(pod).begin() as shard:
        shard.execute(text(statement))


def ledger(podctl: Podctl, pod: int = 1) -> dict[str, dict[str, Any]]:
    return {
        row["version"]: row for row in podctl.json("migrations", "status", "--pod", str(pod))["migrations"]
    }


def states(podctl: Podctl, pod: int = 1) -> list[str]:
    return [row["state"] for _, row in sorted(ledger(podctl, pod).items())]


# Mistakes: nothing has been planned yet


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        (2, "new ???", "use letters"),
        (2, "new x --data --autogenerate", "give --data or --autogenerate"),
        (2, "new x --autogenerate", "--metadata shop.models:metadata"),
        (2, "new x --autogenerate --metadata tests.acceptance.shop_for_cli:app", "no MetaData"),
        (2, "lint --folder nowhere", "there is no such folder"),
        (6, "lint nope", "no migration nope"),
        (2, "lint 2026112412", "several migrations fit"),
        (2, "lint --dialect oracle", "oracle"),
        (2, "lint --pod 1 --dialect mysql", "give --pod or --dialect"),
        (6, "lint --pod 77", "unknown pod 77"),
        (6, "plan nope --dry-run", "no migration nope"),
        (2, "plan --canary 77 --dry-run", "pod 77 cannot be the canary"),
        (2, "plan --wave 100% --wave 1 --dry-run", "so they grow"),
        (2, "plan --wave many --dry-run", "a wave of 'many'"),
        (2, "plan --only-pod 77 --dry-run", "pod 77 is not in the registry"),
        (2, "plan --max-migrating-pods 0", "max-migrating-pods"),
        (6, "run", "no plan that waits to be started"),
        (6, "run 77", "there is no plan 77"),
        (2, "run --watch --dry-run", "give --watch or --dry-run"),
        (6, "status 77", "there is no plan 77"),
        (2, "status --pod 1 --watch", "give --pod alone"),
        (6, "hold --reason x", "no plan that is under way"),
        (2, "hold", "--reason"),
        (2, "hold 1 --pod 1 --reason x", "give a plan or --pod"),
        (2, "hold --free-place --reason x", "give --pod"),
        (6, "hold --pod 77 --reason x", "unknown pod 77"),
        (6, "release", "no plan that is held or has halted"),
        (6, "cancel --reason x --yes", "no plan that is not over"),
        (2, "set", "nothing to set"),
        (6, "set --canary 1", "no plan that is not over"),
        (2, "retry", "which pod?"),
        (6, "retry --pod 1", "no migration to retry on pod 1"),
        (6, "retry nope --pod 1", "no migration nope"),
        (2, "skip --pod 1", "--reason"),
        (6, f"revert {ADD} --pod 1 --yes", "in the ledger of pod 1"),
        (6, "cutover --pod 1", "no migration to cut over on pod 1"),
    ],
)
def test_a_mistake_is_answered_in_one_line(podctl: Podctl, code: int, line: str, says: str) -> None:
    assert says in podctl.refused(code, "migrations", *line.split())


def test_without_a_folder_it_says_where_to_set_it(podctl: Podctl) -> None:
    unset = {"PODWORK_MIGRATIONS_FOLDER": ""}
    assert "migrations.folder" in podctl.refused(2, "migrations", "lint", environment=unset)
    assert podctl("migrations", "status", environment=unset).code == 0


def test_new_files_follow_one_another_and_are_to_be_written(podctl: Podctl, tmp_path: Path) -> None:
    folder = str(tmp_path / "new")
    [first] = podctl.table("migrations", "new", "Add status, to orders!", "--folder", folder)
    document = podctl.json("migrations", "new", "fill", "--data", "--folder", folder)["migrations"][0]
    assert Path(first).name.endswith("_add_status_to_orders.py")
    assert (document["kind"], document["name"]) == ("data", "fill")
    assert document["version"] > Path(first).name[:14]
    refused = podctl("migrations", "lint", "--folder", folder)
    assert refused.code == 1
    assert "write what is to change" in refused.stdout


def test_what_a_shard_lacks_of_the_metadata_is_written_a_file_each(podctl: Podctl, tmp_path: Path) -> None:
    given = ("--autogenerate", "--metadata", "podwork_ops.demo.schema:metadata", "--folder", str(tmp_path))
    paths = [Path(path) for path in podctl.table("migrations", "new", "shop", *given)]
    names = ["daily_revenue", "order_lines", "orders"]
    assert sorted(path.stem[15:] for path in paths) == [f"shop_create_table_{name}" for name in names]
    assert len({path.name[:14] for path in paths}) == 3
    assert podctl("migrations", "lint", "--folder", str(tmp_path)).code == 0


def test_the_linter_refuses_says_why_and_is_overruled_with_a_reason(podctl: Podctl, tmp_path: Path) -> None:
    path = tmp_path / f"{ADD}_drop_note.py"
    path.write_text(HEAD + '@schema\ndef up(op):\n    op.drop_column("orders", "note")\n')
    refused = podctl("migrations", "lint", "--folder", str(tmp_path))
    assert refused.code == 1
    assert f"refuse drop-column  {ADD}_drop_note: " in refused.stdout
    assert "(mariadb, mysql)" in refused.stdout, "said once, for both"
    assert refused.stderr.splitlines()[-1].startswith(f"podctl: refused: {ADD}_drop_note - ")
    path.write_text(
        path.read_text().replace("@schema", '@schema(override={"drop-column": "unused since May"})')
    )
    done = podctl("migrations", "lint", "--folder", str(tmp_path))
    assert (done.code, "unused since May" in done.stdout) == (0, True)
    document = podctl.json("migrations", "lint", "--folder", str(tmp_path), "--dialect", "mysql")
    [found] = [one for one in document["findings"] if one["rule"] == "drop-column"]
    assert (found["verdict"], found["dialects"], found["overridden_by"]) == (
        "overridden",
        ["mysql"],
        "unused since May",
    )


def test_what_the_linter_refuses_is_not_planned(podctl: Podctl, tmp_path: Path) -> None:
    (tmp_path / f"{ADD}_drop_note.py").write_text(
        HEAD + '@schema\ndef up(op):\n    op.drop_column("orders", "note")\n'
    )
    before = podctl.json("migrations", "status")["plans"]
    refused = podctl("migrations", "plan", "--folder", str(tmp_path), "-o", "json")
    assert refused.code == 1
    assert json.loads(refused.stdout)["lint"]["refused"] == [f"{ADD}_drop_note"]
    assert podctl.json("migrations", "status")["plans"] == before


# One life of a fleet, step by step


def test_a_plan_is_made_held_mended_and_ends(podctl: Podctl, platform: Platform, folder: Path) -> None:
    for pod in (1, 2):
        execute(platform, "CREATE TABLE parcels (id INTEGER PRIMARY KEY)", pod)
        execute(platform, "INSERT INTO parcels VALUES (1)", pod)
    execute(platform, "ALTER TABLE parcels ADD COLUMN weight INTEGER")
    a_plan_is_looked_at_and_stored(podctl, folder)
    a_plan_waits_for_workers_and_a_person(podctl)
    what_failed_is_skipped_or_retried(podctl, platform)
    a_pod_is_held_and_caught_up_with(podctl)
    what_was_applied_is_taken_back_and_drift_is_seen(podctl, platform)
    on_a_terminal_it_is_a_screen_that_is_left_as_it_was(podctl)


def a_plan_is_looked_at_and_stored(podctl: Podctl, folder: Path) -> None:
    plan = ("migrations", "plan", "--soak", "none")
    dry = podctl.json(*plan, "--dry-run")
    assert (dry["plan"], dry["canary"], [wave["pods"] for wave in dry["waves"]]) == (None, 1, [[1], [2]])
    assert [row["route"] for row in dry["migrations"]] == ["batch", "?", "data"], "pod 1 has a weight already"
    assert podctl.json("migrations", "status")["plans"] == []
    made = podctl.json(*plan, "--reason", "release 42")
    assert (made["plan"], made["state"]) == (1, "draft")
    assert podctl.json(*plan)["plan"] == 1, "the same files have one plan"
    assert "with other waves or limits" in podctl.refused(3, *plan, "--wave", "100%")
    file = folder / f"{FILL}_fill_status.py"
    before = file.read_text()
    file.write_text(f"{before}# edited\n")
    assert "is not what the plan was signed over" in podctl.refused(3, "migrations", "run", "--yes")
    file.write_text(before)
    assert "needs a confirmation" in podctl.refused(2, "migrations", "run")


def known(podctl: Podctl) -> Any:
    found = podctl.json("migrations", "status", "1")
    deeds = [(deed["what"], deed["by"], deed["reason"]) for deed in found["deeds"]]
    pods = [(pod["pod_id"], pod["wave"], pod["blocked"]) for pod in found["pods"]]
    return found["plans"][0]["state"], found["plans"][0]["reason"], deeds, pods


def nothing_changes_in_a_dry_run(podctl: Podctl, *lines: tuple[str, str]) -> None:
    before = known(podctl)
    for line, says in lines:
        done = podctl("migrations", *line.split(), "--dry-run")
        assert (done.code, says in done.stderr) == (0, True), (line, done)
    assert known(podctl) == before


def a_plan_waits_for_workers_and_a_person(podctl: Podctl) -> None:
    nothing_changes_in_a_dry_run(
        podctl,
        ("run 1", "plan 1 would be running: 3 migrations on 2 pods, pod 1 first"),
        ("set --canary 2", "plan 1 would be draft: pod 2 goes first"),
        ("hold --pod 2 --reason x", "pod 2 would be held"),
    )
    assert podctl("migrations", "run", "1", "--yes").code == 0
    assert "it is running" in podctl.refused(3, "migrations", "run", "1", "--yes")
    status = podctl.json("migrations", "status")
    assert "no worker of the pod is seen" in status["pods"][0]["waits_for"]
    assert podctl("migrations", "status", "--exit-code").code == 4
    assert podctl("migrations", "set", "--max-migrating-pods", "3").code == 0
    dry = podctl.json("migrations", "hold", "--reason", "x", "--dry-run")
    assert (dry["was"], dry["state"], dry["dry_run"]) == ("running", "held", True)
    assert known(podctl)[0] == "running"
    assert podctl("migrations", "hold", "--reason", "a moment", "--owner", "ann@desk").code == 0
    assert podctl("migrations", "status", "--exit-code").code == 3
    held = podctl.json("migrations", "status", "1")
    assert held["plans"][0]["reason"] == "ann@desk: a moment"
    assert [(deed["what"], deed["by"]) for deed in held["deeds"]][-1] == ("held", "ann@desk")
    assert podctl("migrations", "release").code == 0


def what_failed_is_skipped_or_retried(podctl: Podctl, platform: Platform) -> None:
    start_worker(podctl)
    ended = podctl("migrations", "status", "--watch", "--every", "200ms")
    assert ended.code == 1
    assert "canary pod 1 failed" in ended.stdout.splitlines()[-1]
    assert podctl("migrations", "status", "--exit-code").code == 1
    assert states(podctl) == ["applied", "failed"]
    retry = ("migrations", "retry", "--pod", "1")
    assert "would be tried again" in podctl(*retry, "--dry-run").stderr
    assert podctl("migrations", "retry", "--pod", "1", "--reason", "again").code == 0
    until(lambda: ledger(podctl)[BREAK]["state"] == "failed", 20, "it fails again")
    assert ledger(podctl)[BREAK]["attempts"] == 2
    skip = ("migrations", "skip", BREAK, "--pod", "1", "--reason", "there already", "--owner", "ann@desk")
    assert "needs a confirmation" in podctl.refused(2, *skip)
    assert podctl.json(*skip, "--yes")["migrations"][0]["state"] == "skipped"
    assert "nothing to change" in podctl(*skip, "--yes").stderr
    said = ledger(podctl)[BREAK]["override_reason"].split("; ")
    assert [one.partition("Z ")[2].partition(" by ")[0] for one in said] == ["tried again", "skipped"]
    assert said[-1].endswith("skipped by ann@desk: there already")
    assert podctl("migrations", "release").code == 0
    until(lambda: states(podctl) == ["applied", "skipped", "applied"], 20, "pod 1 is done")


def a_pod_is_held_and_caught_up_with(podctl: Podctl) -> None:
    assert podctl("migrations", "hold", "--pod", "2", "--reason", "its disk", "--free-place").code == 0
    until(
        lambda: podctl.json("migrations", "status")["plans"][0]["state"] == "succeeded", 20, "without pod 2"
    )
    status = podctl.json("migrations", "status")
    assert "its disk" in status["pods"][1]["blocked"]
    assert podctl.json("migrations", "status", "--pod", "2")["line"]["hold_reason"] == "its disk"
    start_worker(podctl, pod=2, revision="two")
    assert states(podctl, 2) == []
    assert podctl("migrations", "release", "--pod", "2").code == 0
    until(lambda: states(podctl, 2) == ["applied"] * 3, 20, "pod 2 catches up")
    assert podctl("migrations", "status", "--exit-code").code == 0
    assert "is succeeded" in podctl.refused(3, "migrations", "cancel", "1", "--reason", "x", "--yes")
    assert "nothing to plan" in podctl.refused(2, "migrations", "plan")


def what_was_applied_is_taken_back_and_drift_is_seen(podctl: Podctl, platform: Platform) -> None:
    assert "requires it" in podctl.refused(3, "migrations", "revert", ADD, "--pod", "2", "--yes")
    assert "it has no down()" in podctl.refused(
        3, "migrations", "revert", "add_weight", "--pod", "2", "--yes"
    )
    drift = podctl("migrations", "drift", "-o", "json")
    assert drift.stdout, drift.stderr
    found = json.loads(drift.stdout)["pods"]
    assert [row["state"] for row in found] == ["drifted", "ok"], "by hand it was added in another place"
    assert podctl("migrations", "drift", "--pod", "2").code == 0
    execute(platform, "CREATE INDEX by_hand ON parcels (status)", 2)
    drifted = podctl("migrations", "drift", "-o", "json")
    assert drifted.code == 1
    row = json.loads(drifted.stdout)["pods"][1]
    assert (row["state"], ["by_hand" in sql for sql in row["differences"]]) == ("drifted", [True])
    assert 'DROP INDEX "by_hand"' in podctl("migrations", "drift", "--pod", "2").stdout


def on_a_terminal_it_is_a_screen_that_is_left_as_it_was(podctl: Podctl) -> None:
    terminal = Terminal(podctl, "migrations", "status", "--watch", columns=100)
    try:
        assert terminal.end() == 0
        assert "succeeded" in terminal.text
        assert terminal.after == terminal.before
    finally:
        terminal.close()
