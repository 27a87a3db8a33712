"""Private servers on one machine: the stack that `podctl local`, the demo and the tests stand on.

`stack.py` is what others call; it starts `valkey.py`, `redis.py`, `mariadb.py` and `zookeeper.py`, one
file per server, each on a free loopback port, all handled alike by `server.py`, `fleet.py` and
`process.py`. For development and tests: no passwords, no durability beyond a killed process.
"""
