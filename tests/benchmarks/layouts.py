"""Which layout of the queue in Redis? Four candidates, the same work, one run.

`naive`: bodies in one hash, lanes of ids, an index set per shop, a held hash per process.
`shop-hash`: bodies in one hash per shop, which is the index at the same time; lanes of ids.
`shop-hash-turns`: the same, with the ring a sorted set by turn number instead of a list, so that a lane can
be taken out of the ring without walking it and can never stand in it twice.
`in-lane`: bodies in the lanes themselves; nothing can be found by id while it is queued.

All keep lanes, a turning ring and held jobs, and acknowledge and claim 50 at a time. Prints
Redis microseconds (from `INFO commandstats`: eval time) and wall microseconds a job, and bytes a job.
Run: python -m tests.benchmarks.layouts
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import redis

from tests.benchmarks.servers import private_redis

BATCH = 50
PUSH = {
    "naive": """
local ring, queue = KEYS[1], ARGV[1]
for i = 2, #ARGV, 3 do
  local shop, id = ARGV[i], ARGV[i + 1]
  redis.call('HSET', 'bodies', id, ARGV[i + 2])
  redis.call('SADD', 'index:' .. shop, id)
  if redis.call('RPUSH', 'lane:' .. queue .. ':' .. shop, id) == 1 then redis.call('RPUSH', ring, shop) end
end""",
    "shop-hash": """
local ring, queue = KEYS[1], ARGV[1]
for i = 2, #ARGV, 3 do
  local shop, id = ARGV[i], ARGV[i + 1]
  redis.call('HSET', 'jobs:' .. shop, id, ARGV[i + 2])
  if redis.call('RPUSH', 'lane:' .. queue .. ':' .. shop, id) == 1 then redis.call('RPUSH', ring, shop) end
end""",
    "shop-hash-turns": """
local ring, queue = KEYS[1], ARGV[1]
for i = 2, #ARGV, 3 do
  local shop, id = ARGV[i], ARGV[i + 1]
  redis.call('HSET', 'jobs:' .. shop, id, ARGV[i + 2])
  if redis.call('RPUSH', 'lane:' .. queue .. ':' .. shop, id) == 1 then
    redis.call('ZADD', ring, 'NX', redis.call('INCR', 'turn'), shop)
  end
end""",
    "in-lane": """
local ring, queue = KEYS[1], ARGV[1]
for i = 2, #ARGV, 3 do
  local shop = ARGV[i]
  if redis.call('RPUSH', 'lane:' .. queue .. ':' .. shop, ARGV[i + 2]) == 1 then
    redis.call('RPUSH', ring, shop)
  end
end""",
}
RING = """
local ring, queue, want, out = KEYS[1], ARGV[1], tonumber(ARGV[2]), {}
local got = 0
while got < want do
  local shops = redis.call('LPOP', ring, want - got)
  if not shops then break end
  local back = {}
  for i, shop in ipairs(shops) do
    local lane = 'lane:' .. queue .. ':' .. shop
    local ids = redis.call('LPOP', lane, math.max(1, math.floor((want - got) / (#shops - i + 1))))
    got = got + #ids
    %s
    if redis.call('EXISTS', lane) == 1 then back[#back + 1] = shop end
  end
  if #back > 0 then redis.call('RPUSH', ring, unpack(back)) end
end
return out"""
TURN_RING = """
local ring, queue, want, out = KEYS[1], ARGV[1], tonumber(ARGV[2]), {}
local got = 0
while got < want do
  local shops = redis.call('ZPOPMIN', ring, want - got)
  if #shops == 0 then break end
  local back, turn = {}, tonumber(shops[#shops])
  for i = 1, #shops, 2 do
    local shop = shops[i]
    local lane = 'lane:' .. queue .. ':' .. shop
    local ids = redis.call('LPOP', lane, math.max(1, math.floor((want - got) / ((#shops - i + 1) / 2))))
    got = got + #ids
    %s
    if redis.call('EXISTS', lane) == 1 then back[#back + 1], back[#back + 2] = 0, shop end
  end
  if #back > 0 then
    local turn = redis.call('INCRBY', 'turn', #back / 2) - #back / 2
    for k = 1, #back, 2 do back[k] = turn + k end
    redis.call('ZADD', ring, unpack(back))
  end
end
return out"""
CLAIM = {
    "naive": RING
    % """
    for _, id in ipairs(ids) do
      redis.call('HSET', 'held', id, '1')
      out[#out + 1] = shop
      out[#out + 1] = id
      out[#out + 1] = redis.call('HGET', 'bodies', id)
    end""",
    "shop-hash": RING
    % """
    local bodies, held = redis.call('HMGET', 'jobs:' .. shop, unpack(ids)), {}
    for k, id in ipairs(ids) do
      held[k * 2 - 1], held[k * 2] = id, '1'
      out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, bodies[k]
    end
    redis.call('HSET', 'held', unpack(held))""",
    "shop-hash-turns": TURN_RING
    % """
    local bodies, held = redis.call('HMGET', 'jobs:' .. shop, unpack(ids)), {}
    for k, id in ipairs(ids) do
      held[k * 2 - 1], held[k * 2] = id, '1'
      out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, bodies[k]
    end
    redis.call('HSET', 'held', unpack(held))""",
    "in-lane": RING
    % """
    local held = {}
    for k, body in ipairs(ids) do
      local id = string.sub(body, 1, 25)
      held[k * 2 - 1], held[k * 2] = id, body
      out[#out + 1], out[#out + 2], out[#out + 3] = shop, id, body
    end
    redis.call('HSET', 'held', unpack(held))""",
}
ACKNOWLEDGE = {
    "naive": """
for i = 1, #ARGV, 2 do
  if redis.call('HDEL', 'held', ARGV[i + 1]) == 1 then
    redis.call('HDEL', 'bodies', ARGV[i + 1])
    redis.call('SREM', 'index:' .. ARGV[i], ARGV[i + 1])
  end
end""",
    "shop-hash": """
local ids = {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
local held = redis.call('HMGET', 'held', unpack(ids))
local shop, mine = nil, {}
for k, id in ipairs(ids) do
  if held[k] then
    if shop and shop ~= ARGV[k * 2 - 1] then
      redis.call('HDEL', 'jobs:' .. shop, unpack(mine))
      mine = {}
    end
    shop = ARGV[k * 2 - 1]
    mine[#mine + 1] = id
  end
end
if shop then redis.call('HDEL', 'jobs:' .. shop, unpack(mine)) end
redis.call('HDEL', 'held', unpack(ids))""",
    "in-lane": """
local ids = {}
for i = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[i] end
redis.call('HDEL', 'held', unpack(ids))""",
}
# The ring has no part in an acknowledgement.
ACKNOWLEDGE["shop-hash-turns"] = ACKNOWLEDGE["shop-hash"]


def _body(job_id: str) -> str:
    payload = '{"class":"shop.collect","args":{"basket_id":31198570044},"epoch":1}'
    return f"{job_id} default 1732274411000 0 0 0 0 {payload}"


def _eval_usec(client: redis.Redis) -> float:
    stats = client.info("commandstats")
    return float(stats.get("cmdstat_evalsha", {}).get("usec", 0))


def measure(client: redis.Redis, layout: str, jobs: int, shops: int) -> dict[str, float]:
    """Push and drain `jobs` no-op jobs of `shops` shops; return microseconds and bytes a job."""
    client.flushall()
    push, claim, ack = (client.script_load(s[layout]) for s in (PUSH, CLAIM, ACKNOWLEDGE))
    before_bytes = client.info("memory")["used_memory"]
    client.config_resetstat()
    start = time.perf_counter()
    for first in range(0, jobs, 1000):
        argv: list[str | int] = ["default"]
        for number in range(first, first + 1000):
            shop = number % shops
            job_id = f"{number:021x}-{shop:03d}"
            argv += [shop, job_id, _body(job_id)]
        client.evalsha(push, 1, "ring:default", *argv)
    push_wall, push_redis = time.perf_counter() - start, _eval_usec(client)
    used_bytes = client.info("memory")["used_memory"] - before_bytes
    client.config_resetstat()
    start = time.perf_counter()
    done = 0
    finished: list[bytes] = []
    while True:
        pipe = client.pipeline(transaction=False)
        if finished:
            pipe.evalsha(ack, 0, *finished)
        pipe.evalsha(claim, 1, "ring:default", "default", BATCH)
        claimed = pipe.execute()[-1]
        if not claimed:
            break
        finished = [part for k, part in enumerate(claimed) if k % 3 != 2]
        done += len(claimed) // 3
    drain_wall, drain_redis = time.perf_counter() - start, _eval_usec(client)
    assert done == jobs, (layout, done)
    return {
        "push_redis_us": push_redis / jobs,
        "push_wall_us": push_wall / jobs * 1e6,
        "drain_redis_us": drain_redis / jobs,
        "drain_wall_us": drain_wall / jobs * 1e6,
        "bytes": used_bytes / jobs,
    }


def main() -> int:
    """Print the table of medians over three rounds."""
    jobs = 60_000
    with private_redis() as client:
        for shops in (1, 500, 20_000):
            for layout in PUSH:
                rounds = [measure(client, layout, jobs, shops) for _ in range(3)]
                median = {key: round(statistics.median(r[key] for r in rounds), 1) for key in rounds[0]}
                sys.stdout.write(json.dumps({"layout": layout, "shops": shops, **median}) + "\n")
                sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
