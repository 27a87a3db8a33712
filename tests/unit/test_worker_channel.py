"""The pipe between supervisor and child: whole messages, never a wait."""

from __future__ import annotations

import os
import socket
import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from podwork.observation import Histogram, Observation
from podwork.worker.channel import (
    BACKLOG_BYTES,
    Beat,
    Channel,
    Drain,
    Fatal,
    GiveBack,
    Observed,
    Quiet,
    Ready,
    Report,
    Resume,
    channel_pair,
)


def test_every_message_arrives_equal_and_in_order() -> None:
    supervisor, child = channel_pair()
    observation = Observation(attempts={"q|c|succeeded": 3}, durations={"c": Histogram([1, 2], 0.5)})
    reports = [Ready("host:1:a"), Beat(10, 2, True), Observed(observation), Fatal("no")]
    commands = [Quiet(), Resume(), Drain(), GiveBack()]
    for report in reports:
        assert child.send(report)
    for command in commands:
        assert supervisor.send(command)
    assert supervisor.receive() == reports
    assert child.receive() == commands
    supervisor.close()
    child.close()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_messages_survive_any_cut_of_the_stream(cuts: list[int]) -> None:
    raw, reading = socket.socketpair()
    reader: Channel[Report] = Channel(reading, msgspec.msgpack.Decoder(Report))
    sent = [Ready("x" * length) for length in cuts]
    frames = b""
    for message in sent:
        body = msgspec.msgpack.encode(message)
        frames += len(body).to_bytes(4, "big") + body
    received: list[Report] = []
    position = 0
    for cut in [*cuts, len(frames)]:
        raw.sendall(frames[position : position + cut])
        position += cut
        received += reader.receive()
    assert received == sent
    raw.close()
    reader.close()


def test_a_peer_that_does_not_read_never_blocks_the_sender() -> None:
    supervisor, child = channel_pair()
    message = Fatal("x" * 10_000)
    started = time.monotonic()
    sent = 0
    while child.send(message):
        sent += 1
    assert time.monotonic() - started < 5
    assert BACKLOG_BYTES < child.backlog_bytes < BACKLOG_BYTES + 20_000
    received = 0
    while child.backlog_bytes:
        received += len(supervisor.receive())
        child.flush()
    received += len(supervisor.receive())
    assert received == sent
    supervisor.close()
    child.close()


def test_a_dead_peer_is_closed_and_its_last_words_are_heard() -> None:
    supervisor, child = channel_pair()
    child.send(Fatal("last words"))
    child.close()
    assert supervisor.receive() == [Fatal("last words")]
    assert supervisor.closed
    assert not supervisor.send(Drain())
    supervisor.close()


def test_what_is_not_a_frame_closes_the_channel() -> None:
    raw, reading = socket.socketpair()
    reader: Channel[Report] = Channel(reading, msgspec.msgpack.Decoder(Report))
    raw.sendall(b"\xff" * 4 + os.urandom(8))
    assert reader.receive() == []
    assert reader.closed
    raw.close()
    reader.close()
