"""The bell of a child's dispatcher: no ring is lost, and none is worth more than one system call."""

from __future__ import annotations

import threading
import time

import pytest

from podwork.store import Store
from podwork.transitions import handed
from podwork.worker.ear import Ear

LONG_SECONDS = 30.0


@pytest.fixture
def ear() -> Ear:
    return Ear(Store("redis://127.0.0.1:1"), "host:1:aaaa")


def waited(ear: Ear, seconds: float) -> float:
    began = time.monotonic()
    ear.wait(seconds)
    return time.monotonic() - began


def test_a_wait_without_a_ring_lasts(ear: Ear) -> None:
    assert waited(ear, 0.05) >= 0.04


def test_a_ring_before_the_wait_ends_it(ear: Ear) -> None:
    ear.ring()
    ear.ring()
    assert waited(ear, LONG_SECONDS) < LONG_SECONDS / 2
    assert waited(ear, 0.05) >= 0.04, "both were answered"


def test_a_ring_during_the_wait_ends_it(ear: Ear) -> None:
    def ring_when_it_sleeps() -> None:
        while not ear._bell._asleep:
            pass
        ear.ring()

    thread = threading.Thread(target=ring_when_it_sleeps)
    thread.start()
    assert waited(ear, LONG_SECONDS) < LONG_SECONDS / 2
    thread.join()
    assert waited(ear, 0.05) >= 0.04, "it was answered, with what it wrote"


def test_many_rings_from_many_threads_never_leave_it_asleep(ear: Ear) -> None:
    """Each thread rings, and again when that has been answered; a lost ring would cost half a minute."""
    answered = [threading.Semaphore(0) for _ in range(4)]
    asked = [False] * 4
    stop = False

    def ringer(number: int) -> None:
        while not stop:
            asked[number] = True
            ear.ring()
            answered[number].acquire()

    threads = [threading.Thread(target=ringer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    began, rings = time.monotonic(), 0
    while rings < 2000:
        ear.wait(LONG_SECONDS)
        for number in range(4):
            if asked[number]:
                asked[number] = False
                rings += 1
                stop = rings >= 2000
                answered[number].release()
    stop = True
    for semaphore in answered:
        semaphore.release()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < LONG_SECONDS


def test_a_word_is_an_order() -> None:
    assert handed("host:1:aaaa", b"yield 7") == ([], False, "yield 7")


def test_a_message_is_read_part_by_part() -> None:
    assert handed("host:1:aaaa", b"") == ([], True, "")
    assert handed("host:1:aaaa", b"1") == ([], True, "")
    assert handed("host:1:aaaa", b"0") == ([], False, "")
    text = b"- default 5 0 0 0 0 {}"
    [lease], more, _ = handed("host:1:aaaa", b"01:74:id-7%d:%s" % (len(text), text))
    assert (lease.id, lease.shop_id, lease.incarnation, more) == ("id-7", 7, "host:1:aaaa", False)
