"""A process that goes on with the online copy of a shard until it is applied: to be killed anywhere.

`python -m tests.support.copy_process URL`. The migration was begun by the test; see `CopyStand.begin`.
"""

from __future__ import annotations

import sys

from tests.support.copy_stand import CopyStand


def main(url: str) -> None:
    """Do what is left to be done."""
    stand = CopyStand(url, batch_size=20)
    stand.go_on(hold_hours=1.0)
    stand.finish()
    stand.close()


if __name__ == "__main__":
    main(sys.argv[1])
