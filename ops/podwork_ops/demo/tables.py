"""Which rows of the demo's tables are a shop's: what a move takes along.

Owns: `tables`, which the stack's settings name (`moves.tables`), so that workers can move shops. Leaves to
others: the tables themselves (`schema`), moving the demo's largest shop (`largest_shop`).
"""

from __future__ import annotations

from podwork_pods.mover.tables.declaration import ShopTables, shop

tables = ShopTables(shop("order_lines"), shop("orders"), shop("daily_revenue"))
