"""The structure that DESIGN promises, held by tests: layout, imports, names, sizes, documentation."""
