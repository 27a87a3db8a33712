"""How a schema migration becomes a statement, by which route it goes, and how that is done safely."""
