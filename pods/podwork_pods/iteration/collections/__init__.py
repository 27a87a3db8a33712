"""What an iteration job can work through: tables, statements, files, sequences, times, one inside of another.

    from podwork_pods.iteration.collections import csv_lines, items, json_lines, nested, rows, select, windows

| made by | goes through | cursor | cut into slices by |
| `rows` | a table, along any unique key | the key of the last row | quantiles of the key |
| `select` | a SELECT, along columns that identify a row | the same | the same |
| `csv_lines`, `json_lines` | a file | the byte behind the last record | bytes, between records |
| `items` | a Python sequence | the place of the last item | places |
| `windows` | a span of time | the end of the last window | windows |
| `nested` | a collection for each item of another | both cursors | outer items |

What becomes of rows, lines and items that change while a run is under way stands with each: in `keyset` for
`rows` and `select`, in `files`, `items`, `windows` and `nested` for the others. A collection of one's own is
a class with the methods of `podwork.iteration.collection.Collection`; with `middle` (`Divisible`) idle
workers can take a part of what is left.

| module | owns |
| `keyset`, `pages`, `keys` | the queries: where a page begins, its columns, how keys are compared |
| `source`, `candidates`, `catalogue`, `explain` | what the database knows of a table; which keys are fit |
| `files` | a file of records; `lines` knows two kinds |
| `slices`, `divisible`, `errors` | what they have in common |
"""

from __future__ import annotations

from podwork_pods.iteration.collections.divisible import Divisible
from podwork_pods.iteration.collections.errors import (
    ForeignCursor,
    InvalidCollection,
    InvalidKey,
    UnreadableRecord,
)
from podwork_pods.iteration.collections.items import items
from podwork_pods.iteration.collections.lines import csv_lines, json_lines
from podwork_pods.iteration.collections.nested import nested
from podwork_pods.iteration.collections.rows import rows
from podwork_pods.iteration.collections.select import select
from podwork_pods.iteration.collections.windows import windows

__all__ = [
    "csv_lines",
    "items",
    "json_lines",
    "nested",
    "rows",
    "select",
    "windows",
    "Divisible",
    "ForeignCursor",
    "InvalidCollection",
    "InvalidKey",
    "UnreadableRecord",
]
