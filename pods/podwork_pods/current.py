"""What `shop_transaction` uses in this process.

Owns: one binding, made by the composition root after it has opened the topology. Promises: nothing is
opened, read or guessed at import, and nothing loads SQLAlchemy's ORM before a transaction is asked for.
Leaves to others: the topology's life.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from podwork.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class OpensShopTransactions(Protocol):
    """What is bound: `podwork_pods.transaction.ShopTransactions`, or a test's stand-in."""

    def open(self, shop_id: int) -> AbstractContextManager[Session]:
        """Open a transaction of the shop."""
        ...


_bound: Callable[[], OpensShopTransactions] | None = None


def bind(transactions: OpensShopTransactions | None) -> None:
    """Let `shop_transaction` use these from now on; `None` takes them away."""
    bind_when_used(None if transactions is None else lambda: transactions)


def bind_when_used(transactions: Callable[[], OpensShopTransactions] | None) -> None:
    """Let `shop_transaction` ask for them each time, from now on."""
    global _bound  # noqa: PLW0603 - one binding per process is the purpose of this module
    _bound = transactions


def bound() -> OpensShopTransactions:
    """Return what is bound.

    Raises:
        ConfigurationError: nothing is.
    """
    if _bound is None:
        raise ConfigurationError(
            "shop_transaction is not connected to a topology",
            "run inside a worker, or call current.bind first",
        )
    return _bound()
