"""The online copy: a table is changed beside itself while the application writes; then they change places.

| module | owns |
| --- | --- |
| `applier` | the stages, and the applier that the runner calls |
| `journal` | what is written down before it is done; statements and their locks |
| `doorway` | keeping writers out while a table is renamed |
| `names`, `statement` | what things are called; the change as a statement on the copy |
| `table`, `columns`, `keys` | forms of tables, what two of them share, keys in SQL |
| `refusals` | what is not copied, and why |
| `build` | the copy, the table of faults, the triggers |
| `triggers` | what the triggers do |
| `job`, `chunks`, `runs`, `params` | the runs: rows, pieces of rows, beginning and end, what they are given |
| `parts` | where a table is cut for several jobs |
| `verify` | whether table and copy are equal, in one snapshot |
| `cutover`, `hold`, `revert`, `abort` | changing places, the time for a way back, the way back, giving up |

Promises: the application's statements succeed and wait at most the lock budget for it; what the journal names
is all that is ever dropped; whoever goes on after a crash looks at the catalogue first. MariaDB and MySQL
only. A limit: two of the application's transactions may meet in a unique index of the copy, and one of them
ends with a deadlock. Who deletes a unique value and writes it again, as who changes a key does, locks the
value that comes next too, and in a copy that has few rows yet that may be anybody's.
"""
