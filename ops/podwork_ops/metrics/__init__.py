"""What a worker tells Prometheus and its orchestrator: metrics, liveness, readiness.

Owns: the table of metrics (`table`), the merging of the children's observations (`worker`), the probes
(`probes`) and the HTTP endpoint (`endpoint`). Promises: one registry in the supervisor, no files shared
between processes; a bounded number of series; never a shop, a job or a host in a label. Leaves to
`podwork.observation` what a child counts, and to the supervisor when it is told.
"""

from podwork_ops.metrics.endpoint import MetricsEndpoint
from podwork_ops.metrics.worker import WorkerMetrics

__all__ = ["MetricsEndpoint", "WorkerMetrics"]
