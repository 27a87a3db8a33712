"""A relay, or an application that commits, in a process: `python -m tests.support.outbox_relay JSON`.

The JSON names the topology's URLs (`registry`, `directory`), and what to do: `relay` for ever, as a worker's
child that leads, or `commit` so many jobs in one transaction.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from podwork import points
from podwork.observation import Tally
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.spec import Surroundings
from podwork_pods import current, shop_transaction
from podwork_pods.outbox.service import relay_service
from podwork_pods.topology import Topology
from tests.support.outbox import SHOP, app, note
from tests.support.pods import settings


def main() -> None:
    """Open the topology and do what the JSON says."""
    asked: Mapping[str, Any] = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO)
    loaded = settings(asked["registry"], asked["directory"], redis={"socket_timeout_seconds": 1.0})
    topology = Topology.open(loaded)
    if "commit" in asked:
        if asked.get("slow"):  # the hint takes longer than the rest of the script
            points.install(lambda name: time.sleep(0.2) if name == "outbox.ringing" else None)
        app.bind(topology.client())
        current.bind(topology.transactions)
        with shop_transaction(SHOP) as session:
            rows = [{"text": "a", "shop_id": SHOP}] * asked["commit"]
            print("\n".join(note.enqueue_bulk(rows, transaction=session)), flush=True)  # noqa: T201 - to the test
        return  # without closing anything, as a script does
    life = Life(f"process-{asked['relay']}", 15.0)
    life.is_leader = True
    around = Surroundings(topology.queues(1), life, Outage(), Tally())
    thread = relay_service(topology.outbox_rows(1), topology.gates(1))(around)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
