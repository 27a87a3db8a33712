"""An application whose effects can be counted: every job adds one to its own row, once by its own rule."""

from __future__ import annotations

from podwork import App
from podwork_pods import shop_transaction

app = App("counting")
SCHEMA = (
    "CREATE TABLE effects (shop_id BIGINT, number BIGINT, runs BIGINT, PRIMARY KEY (shop_id, number))",
    "CREATE TABLE counters (shop_id BIGINT PRIMARY KEY, total BIGINT)",
)


@app.job(name="count")
def count(shop_id: int, number: int) -> None:
    """Add one to the shop's counter, unless this number was counted before."""
    with shop_transaction(shop_id) as session:
        connection = session.connection()
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        ignore = "OR IGNORE" if connection.dialect.name == "sqlite" else "IGNORE"
        row = (shop_id, number)
        new = connection.exec_driver_sql(
            f"INSERT {ignore} INTO effects VALUES ({mark}, {mark}, 0)", row
        ).rowcount
        connection.exec_driver_sql(
            f"UPDATE effects SET runs = runs + 1 WHERE shop_id = {mark} AND number = {mark}", row
        )
        if new:
            connection.exec_driver_sql(
                f"UPDATE counters SET total = total + 1 WHERE shop_id = {mark}", (shop_id,)
            )
