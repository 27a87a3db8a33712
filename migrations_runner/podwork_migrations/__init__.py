"""Migrations and backfills of the shards: written in the application, applied by scheduled jobs.

`schema` and `data` say what a migration file needs (`declared`). Leaves to others: everything behind them, so
that importing this package costs an application nothing.
"""

from podwork_migrations.declared import data, schema

__all__ = ["data", "schema"]
