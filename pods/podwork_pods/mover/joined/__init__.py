"""The steps of a move over real pods: what `mover.crossing` asks for, put together from its parts.

| file | joins |
| --- | --- |
| `fences` | the fences of both shards (`podwork_pods.fence`) |
| `jobs` | the jobs and gates of both Redis (`podwork.transfer`) |
| `served_rows` | rows between shards on MariaDB or MySQL, one of two ways, over what `served_shard` has |
| `followed_copy` | copied while the shop trades (`mover.rows`), and `comparing` them (`mover.verify`) |
| `fenced_copy` | of a small shop: copied while its writes stand still |
| `kept_rows` | what is kept at the source after the switch |
| `known_tables` | whether tables change meanwhile (`mover.tables`) |
| `embedded_rows` | rows between shards on SQLite: a plain copy under the fence |
| `under_fence` | what that and `fenced_copy` do before it: nothing |
| `looking` | what stands in a move's way (`mover.tables`) |
| `pod_runs` | backfills over whole pods |
| `crossings` | all of them, for a move as it was drawn |
"""
