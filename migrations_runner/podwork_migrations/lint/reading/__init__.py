"""Reads what a migration does: Alembic's operations as they are, SQL through sqlglot.

| module | owns |
| `steps` | an operation in, a `Step` out |
| `operations` | Alembic's operation objects |
| `grammar` | text to sqlglot's trees |
| `statements`, `alters`, `columns`, `writes` | the trees |
| `words` | statements for which sqlglot has no tree, by its tokens |
"""
