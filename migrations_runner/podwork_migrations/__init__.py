"""Migrations and backfills of the shards: the place, not yet the work.

Owns: nothing in this version. The package exists so that its name and its position in the order of imports
(`podwork_ops -> podwork_migrations -> podwork_pods -> podwork`) are settled, and checked, before code
arrives. Planned here, in the next releases: migrations, plans, the ledger, the linter, and online
schema changes. Until then a shard's schema is the application's own affair.
"""
