"""The page on moving shops says what podctl does: its commands run, its tables are those of the code.

No worker runs: moves are put into the states in which the page gives its commands.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sqlalchemy import text, update

from podwork_ops.cli.main import cli
from podwork_ops.cli.move_plan import plan as plan_command
from podwork_ops.composition import Platform, connect
from podwork_pods.mover import schema
from podwork_pods.mover.orders import MoveOrders
from podwork_pods.mover.plans.plan import PlanOptions
from podwork_pods.mover.plans.states import PlanState
from podwork_pods.mover.states import BEFORE_SWITCH, HELD_IN, WAYS, MoveState
from tests.acceptance.conftest import Podctl
from tests.acceptance.shop_for_moves import ORDERS, app
from tests.support.processes import REPOSITORY, Completed

PAGE = (REPOSITORY / "ops" / "docs" / "moving-shops.md").read_text(encoding="utf-8")
SHOPS = (330, 331, 332)


def block(mark: str) -> list[str]:
    """Return the commands of the fenced block that follows `<!-- mark -->`."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no block marked {mark!r}"
    return textwrap.dedent(found[1]).splitlines()


def table(first_column: str) -> dict[str, list[str]]:
    """Return the page's table that begins with this column: the first cell of each row, and the others."""
    found = re.search(rf"^\| {re.escape(first_column)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, f"the page has no table of {first_column!r}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]
    return {row[0]: row[1:] for row in rows}


def named(cell: str) -> str:
    """Return what a cell has between backticks."""
    return cell.strip("`")


# What the page says


def test_every_block_is_run_here() -> None:
    assert PAGE.count("```\n") == 2 * len(re.findall(r"<!-- shell: [^>]+ -->\n```\n", PAGE))


def test_the_states_are_those_of_a_move() -> None:
    states = {MoveState(named(state)): cells[1] for state, cells in table("state").items()}
    assert set(states) == set(MoveState)
    for state, orders in states.items():
        assert ("abort" in orders) == (state in BEFORE_SWITCH)
        assert ("cutover" in orders) == (state in (MoveState.READY, MoveState.REVERSING))
        assert ("complete" in orders) == (MoveState.PURGING in WAYS[state] and state is MoveState.REVERSIBLE)
        assert ("reverse" in orders) == (MoveState.REVERSING in WAYS[state] and state is MoveState.REVERSIBLE)
        assert "hold" in orders or state not in HELD_IN


def test_the_states_of_a_plan_are_those_of_the_code() -> None:
    assert [named(state) for state in table("a plan is")] == list(PlanState)


def test_a_plans_options_and_their_defaults_are_those_of_the_command() -> None:
    written = {named(option): cells[0] for option, cells in table("option").items()} | {
        named(option): default
        for option, default in re.findall(r"^\| `(--[\w-]+)` \| ([^|]*?) ?\| [^|]+ \|$", PAGE, re.MULTILINE)
    }
    names = {option for parameter in plan_command.params for option in parameter.opts}
    assert {option.split()[0] for option in written} <= names
    options = PlanOptions()
    assert (written["--concurrency"], written["--per-pod"]) == (
        str(options.concurrency),
        str(options.per_pod),
    )
    assert (written["--canary"], written["--grace"]) == (f"{options.canary:.0%}", "24h")
    assert options.grace_seconds == 24 * 3600
    assert (written["--max-block"], options.max_block_seconds) == ("5s", 5.0)
    assert [written[name] for name in ("--bandwidth", "--max-lag", "--max-threads", "--freeze")] == [
        "none"
    ] * 4


def test_every_command_of_moves_is_on_the_page() -> None:
    group = cli.get_command(click.Context(cli), "moves")
    assert isinstance(group, click.Group)
    assert [name for name in group.commands if not re.search(rf"podctl moves {name}\b", PAGE)] == []


# What it does


class Operator:
    """Runs the page's commands, and does with moves what workers would have done."""

    def __init__(self, podctl: Podctl, platform: Platform) -> None:
        self.podctl = podctl
        self.platform = platform

    def shell(self, mark: str) -> list[Completed]:
        """Run a block's commands, all of which succeed."""
        ended = []
        for command in block(mark):
            program, *arguments = shlex.split(command)
            assert program == "podctl"
            done = self.podctl(*arguments)
            assert done.code == 0, (command, done)
            ended.append(done)
        return ended

    def put(self, move_id: int, state: MoveState) -> None:
        ended = {"open_shop": None} if state.is_over else {}
        change = update(schema.moves).where(schema.moves.c.id == move_id).values(state=state, **ended)
        self.platform.directory.write(lambda connection: connection.execute(change))

    def state(self, move_id: int) -> MoveState:
        return self.platform.moves.store.get(move_id).state


@pytest.fixture
def operator(podctl: Podctl, cli_stack: Path) -> Iterator[Operator]:
    platform = connect(app, config=cli_stack)
    for pod in (1, 2):
        with platform.engine(pod).begin() as shard:
            shard.execute(text(ORDERS))
    with platform.engine(1).begin() as shard:
        orders = [{"shop": shop} for shop in SHOPS]
        shard.execute(text("INSERT INTO orders (shop_id) VALUES (:shop)"), orders)
    platform.directory.assign_many(dict.fromkeys(SHOPS, 1))
    podctl.environment |= {
        "PODWORK_APP_TARGET": "tests.acceptance.shop_for_moves:app",
        "PODWORK_MOVES_TABLES": "tests.acceptance.shop_for_moves:tables",
    }
    yield Operator(podctl, platform)
    platform.close()


def test_the_page_runs(operator: Operator) -> None:
    one_shop(operator)
    at_a_chosen_time(operator)
    giving_up_and_going_back(operator)
    many_shops(operator)


def one_shop(operator: Operator) -> None:
    tried, started = operator.shell("shell: start")
    assert "shop 330 would move to pod 2: 1 row; nothing in its way" in tried.stderr
    assert started.stdout == "1\n"
    *_, story = operator.shell("shell: watch")
    assert "pod 1 is full" in story.stdout
    operator.put(1, MoveState.REVERSIBLE)
    operator.shell("shell: complete")
    assert operator.state(1) is MoveState.PURGING
    operator.put(1, MoveState.DONE)


def at_a_chosen_time(operator: Operator) -> None:
    started, _ = operator.shell("shell: hold")
    assert started.stdout == "2\n"
    assert operator.platform.moves.store.get(2).held_reason == "a sale is on"
    operator.put(2, MoveState.READY)
    *_, cut = operator.shell("shell: cutover")
    assert "move 2 of shop 331 is now ready: cuts over now" in cut.stderr
    assert not operator.platform.moves.store.get(2).held


def giving_up_and_going_back(operator: Operator) -> None:
    operator.shell("shell: abort")
    assert operator.state(2) is MoveState.ABORTING
    operator.put(2, MoveState.ABORTED)
    assert operator.podctl("moves", "start", "--shop", "332", "--to", "2").stdout == "3\n"
    operator.put(3, MoveState.REVERSIBLE)
    operator.shell("shell: reverse")
    assert operator.state(3) is MoveState.REVERSING
    MoveOrders(operator.platform.moves.store).abort(3, "anna", "x")
    operator.put(3, MoveState.ABORTED)


def many_shops(operator: Operator) -> None:
    moved, _, even = operator.shell("shell: plan dry run")
    assert "3 shops would move, 1 of them first: all shops of pod 1 go to pod 2" in moved.stderr
    assert "1 shop would move" in even.stderr
    made, listed, shown = operator.shell("shell: plan")
    assert made.stdout == "1\n"
    assert "all shops of pod 1 go to pod 2" in listed.stdout
    assert "Fri 18:00-Mon 08:00 Europe/Paris" in shown.stdout
    operator.shell("shell: plan orders")
    assert operator.platform.moves.plans.store.get(1).state is PlanState.CANCELLED
