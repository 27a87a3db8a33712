"""The demo's loading, its orders and its check, on both kinds of shard; and that the check can fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine, create_engine, delete, func, insert, select, text, update

from podwork.testing import iterate
from podwork_ops.demo import dataset, schema
from podwork_ops.demo.backfill import ADD_COLUMN
from podwork_ops.demo.bulk import write_lines
from podwork_ops.demo.check import check, read_contents
from podwork_ops.demo.errors import LoadFailed
from podwork_ops.demo.expectation import aggregate
from podwork_ops.demo.installed import find_transactions
from podwork_ops.demo.jobs import FillNetPrices, write_order
from podwork_ops.demo.loading import Load, load
from podwork_ops.demo.net_prices import check_net_prices
from podwork_ops.demo.placement import spread
from tests.support.servers import PrivateServers, fresh_mariadb

BASKETS = 60


class Shards:
    """Two pods with loaded lines and, once `run_jobs` was called, their orders."""

    def __init__(self, urls: list[str], table: pa.Table) -> None:
        self.table = table
        self.urls = dict(enumerate(urls, start=1))
        self.engines: dict[int, Engine] = {pod: create_engine(url) for pod, url in self.urls.items()}
        self.owners = spread(dataset.lines_by_shop(table), {1: 100, 2: 100})
        for engine in self.engines.values():
            schema.metadata.create_all(engine)

    def loads(self) -> list[Load]:
        mine = {pod: [shop for shop, owner in self.owners.items() if owner == pod] for pod in self.urls}
        return [Load(pod, url, dataset.of_shops(self.table, mine[pod])) for pod, url in self.urls.items()]

    def run_jobs(self) -> list[bool]:
        return [
            self.write(self.owners[shop_id], shop_id, basket_id)
            for shop_id, basket_id in dataset.baskets(self.table)
        ]

    def write(self, pod: int, shop_id: int, basket_id: int) -> bool:
        with self.engines[pod].begin() as connection:
            return write_order(connection, shop_id, basket_id)

    def findings(self) -> list[str]:
        shards = [read_contents(pod, engine) for pod, engine in self.engines.items()]
        return [str(finding) for finding in check(aggregate(self.table), self.owners, shards)]

    def kinds(self) -> set[str]:
        return {finding.split(":")[0] for finding in self.findings()}


@pytest.fixture(scope="module")
def lines() -> pa.Table:
    return dataset.read_input(find_transactions(), BASKETS)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.servers)])
def empty(request: pytest.FixtureRequest, tmp_path: Path, lines: pa.Table) -> Iterator[Shards]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            urls = [f"sqlite:///{tmp_path}/shard-{pod}.db" for pod in (1, 2)]
        else:
            servers: PrivateServers = request.getfixturevalue("private_servers")
            urls = [stack.enter_context(fresh_mariadb(servers)) for _ in (1, 2)]
        shards = Shards(urls, lines)
        yield shards
        for engine in shards.engines.values():
            engine.dispose()


@pytest.fixture
def shards(empty: Shards) -> Shards:
    for each in empty.loads():
        write_lines(each.shard_url, dataset.to_lines(each.table), lambda _: None)
    empty.run_jobs()
    return empty


def test_lines_loaded_and_orders_written_are_what_the_input_says(empty: Shards) -> None:
    progress: list[int] = []
    load(empty.loads(), progress.append)
    assert progress[-1] == empty.table.num_rows
    assert all(empty.run_jobs())
    assert empty.findings() == []


def test_a_job_that_runs_again_changes_nothing(shards: Shards) -> None:
    assert not any(shards.run_jobs())
    assert shards.findings() == []


def test_lines_that_are_there_already_fail_the_load_and_none_is_added(shards: Shards) -> None:
    again = shards.loads()[0]
    with shards.engines[1].begin() as connection:
        some = select(schema.order_lines.c.basket_id).order_by(schema.order_lines.c.basket_id.desc()).limit(1)
        basket_id = connection.execute(some).scalar_one()
        connection.execute(delete(schema.order_lines).where(schema.order_lines.c.basket_id != basket_id))
        before = connection.execute(select(func.count()).select_from(schema.order_lines)).scalar_one()
    with pytest.raises(LoadFailed, match="pod 1"):
        load([again], lambda _: None)
    with shards.engines[1].connect() as connection:
        after = connection.execute(select(func.count()).select_from(schema.order_lines)).scalar_one()
    assert after == before


@pytest.mark.parametrize(
    "column", ["household_id", "line_count", "item_count", "total_cents", "coupon_match_discount_cents"]
)
def test_a_changed_order_is_found(shards: Shards, column: str) -> None:
    shop_id, basket_id = dataset.baskets(shards.table)[0]
    where = (schema.orders.c.shop_id == shop_id) & (schema.orders.c.basket_id == basket_id)
    with shards.engines[shards.owners[shop_id]].begin() as connection:
        connection.execute(update(schema.orders).where(where).values({column: schema.orders.c[column] + 1}))
    (finding,) = shards.findings()
    assert finding.startswith(f"wrong order: {shop_id}/{basket_id}: ")


def test_a_deleted_order_is_found(shards: Shards) -> None:
    shop_id, basket_id = dataset.baskets(shards.table)[7]
    with shards.engines[shards.owners[shop_id]].begin() as connection:
        connection.execute(delete(schema.orders).where(schema.orders.c.basket_id == basket_id))
    (finding,) = shards.findings()
    assert finding.startswith(f"missing order: {shop_id}/{basket_id}: ")


def test_an_order_that_nobody_expects_is_found(shards: Shards) -> None:
    shop_id, basket_id = dataset.baskets(shards.table)[0]
    with shards.engines[shards.owners[shop_id]].begin() as connection:
        where = schema.orders.c.basket_id == basket_id
        connection.execute(update(schema.orders).where(where).values(basket_id=1))
    assert shards.kinds() == {"missing order", "unknown order"}


def test_revenue_counted_twice_is_found(shards: Shards) -> None:
    shop_id, basket_id = dataset.baskets(shards.table)[3]
    pod = shards.owners[shop_id]
    with shards.engines[pod].begin() as connection:
        connection.execute(delete(schema.orders).where(schema.orders.c.basket_id == basket_id))
    assert shards.write(pod, shop_id, basket_id)
    (finding,) = shards.findings()
    assert finding.startswith(f"wrong revenue: {shop_id}/")


def test_missing_revenue_and_missing_lines_are_found(shards: Shards) -> None:
    shop_id, basket_id = dataset.baskets(shards.table)[5]
    with shards.engines[shards.owners[shop_id]].begin() as connection:
        connection.execute(delete(schema.daily_revenue).where(schema.daily_revenue.c.shop_id == shop_id))
        connection.execute(delete(schema.order_lines).where(schema.order_lines.c.basket_id == basket_id))
    assert shards.kinds() in (
        {"missing revenue", "missing number of lines"},
        {"missing revenue", "wrong number of lines"},
    )


@pytest.mark.parametrize("table", ["orders", "daily_revenue", "order_lines"])
def test_a_row_in_a_pod_that_does_not_own_its_shop_is_found(shards: Shards, table: str) -> None:
    shop_id, _ = dataset.baskets(shards.table)[0]
    owner = shards.owners[shop_id]
    other = 3 - owner
    source = schema.metadata.tables[table]
    with shards.engines[owner].connect() as connection:
        row = connection.execute(select(source).where(source.c.shop_id == shop_id)).mappings().first()
        assert row is not None
    with shards.engines[other].begin() as connection:
        connection.execute(insert(source), dict(row))
    found = f"row in the wrong pod: 1 of {table}, shop {shop_id}: in pod {other}, belongs to pod {owner}"
    assert found in shards.findings()


def test_a_shop_that_the_directory_does_not_know_is_found(shards: Shards) -> None:
    shop_id = next(iter(shards.owners))
    pod = shards.owners.pop(shop_id)
    assert shards.kinds() == {"row in the wrong pod"}
    assert all(f"in pod {pod}, belongs to no pod" in finding for finding in shards.findings())


# The backfill


@pytest.fixture
def filled(shards: Shards) -> Engine:
    """Return the shard of pod 1, its net prices filled in."""
    engine = shards.engines[1]
    with engine.begin() as connection:
        connection.execute(text(ADD_COLUMN))
    assert iterate(FillNetPrices, engine, pod=1, batch_size=7) == shards.loads()[0].table.num_rows
    return engine


def wrong(shards: Shards, engine: Engine) -> list[str]:
    return [str(finding) for finding in check_net_prices(engine, shards.loads()[0].table)]


def spoil(engine: Engine, change: str) -> None:
    one = "SELECT MAX(product_id) AS p, MAX(basket_id) AS b FROM order_lines WHERE basket_id = " + (
        "(SELECT MAX(basket_id) FROM order_lines)"
    )
    with engine.begin() as connection:
        product, basket = connection.execute(text(one)).one()
        where = f"WHERE basket_id = {basket} AND product_id = {product}"
        assert connection.execute(text(f"{change} {where}")).rowcount == 1


def test_net_prices_that_the_backfill_wrote_are_what_the_input_says(shards: Shards, filled: Engine) -> None:
    assert wrong(shards, filled) == []


def test_a_line_that_is_a_cent_off_is_found(shards: Shards, filled: Engine) -> None:
    spoil(filled, "UPDATE order_lines SET net_cents = net_cents + 1")
    [finding] = wrong(shards, filled)
    assert finding.startswith("wrong net price: ")


def test_a_line_that_is_gone_is_found(shards: Shards, filled: Engine) -> None:
    spoil(filled, "DELETE FROM order_lines")
    [finding] = wrong(shards, filled)
    assert finding.startswith("other lines: ")


def test_lines_that_were_done_twice_are_found(shards: Shards, filled: Engine) -> None:
    iterate(FillNetPrices, filled, pod=1, batch_size=50)
    assert len(wrong(shards, filled)) > 1
