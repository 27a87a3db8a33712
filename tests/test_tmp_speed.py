import time
from pathlib import Path
from podwork_pods import shop_transaction
from sqlalchemy import text
from tests.support import outbox
from tests.support.outbox import SHOP, note
import pytest
from podwork.observation import Tally
from podwork.worker.life import Life
from podwork.worker.outage import Outage
from podwork.worker.spec import Surroundings
from podwork_pods.outbox.service import relay_service
@pytest.mark.parametrize("kind",["mariadb","sqlite"])
def test_speed(tmp_path, request, redis_url, kind):
    st = outbox.mariadb_stand(tmp_path, request.getfixturevalue("mariadb_url"), redis_url) if kind=="mariadb" else outbox.sqlite_stand(tmp_path, redis_url)
    r=st.relay(); r.begin()
    t=time.perf_counter()
    with shop_transaction(SHOP) as s:
        note.enqueue_bulk([{"text":"a","shop_id":SHOP}]*10000, transaction=s)
    t1=time.perf_counter()-t
    t=time.perf_counter()
    n=0
    while True:
        k=r.turn()
        if not k: break
        n+=k
    t2=time.perf_counter()-t
    def bare(n):
        t=time.perf_counter()
        for _ in range(n):
            with shop_transaction(SHOP) as s: s.execute(text("INSERT INTO notes VALUES (330,'x')"))
        return (time.perf_counter()-t)/n*1e6
    def withjob(n):
        t=time.perf_counter()
        for _ in range(n):
            with shop_transaction(SHOP) as s:
                s.execute(text("INSERT INTO notes VALUES (330,'x')")); note.enqueue(text="a", shop_id=SHOP, transaction=s)
        return (time.perf_counter()-t)/n*1e6
    a,b=min(bare(300) for _ in range(3)),min(withjob(300) for _ in range(3))
    t=time.perf_counter()
    done=0
    while st.work(): done+=1
    while r.turn(): pass
    while st.work(): done+=1
    t=time.perf_counter(); k=0
    while True:
        m=r.settle()
        if not m: break
        k+=m
    t3=time.perf_counter()-t
    print(f"\n{kind}: bulk write {10000/t1:,.0f}/s, relay {n/t2:,.0f}/s, settle {k/t3:,.0f}/s; transaction {a:.0f} us bare, {b:.0f} us with a job")
    # latency commit->push
    around=Surroundings(st.queues, Life("h:1:x",15.0), Outage(), Tally()); around.life.is_leader=True
    th=relay_service(st.topology.outbox_rows(1), st.topology.gates(1))(around); th.start()
    took=[]
    time.sleep(1)
    for _ in range(1000):
        with shop_transaction(SHOP) as s: note.enqueue(text="a", shop_id=SHOP, transaction=s)
        t=time.perf_counter()
        while not st.claim(): assert st.queues.wait(["default"],3)
        took.append((time.perf_counter()-t)*1000)
    took.sort()
    print(f"{kind}: commit to claim, 1000 times: p50 {took[500]:.1f} p99 {took[990]:.1f} max {took[-1]:.1f} ms")
    around.life.is_leader=False
    st.close()
