"""What goes through a channel arrives whole, in time, or not at all."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from beam_pipeline.benchmark.compare.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield Channel(ours), Channel(theirs), theirs
    ours.close()
    theirs.close()


Ends = tuple[Channel, Channel, socket.socket]


@pytest.mark.parametrize("text", ["", "cat", "naïve 漢 😀", "x" * 5_000_000])
def test_texts_arrive_as_they_were(ends: Ends, text: str) -> None:
    sender = threading.Thread(target=ends[0].send_text, args=(text.encode(),))
    sender.start()
    assert ends[1].receive_text() == text
    sender.join()


def test_messages_arrive_in_order(ends: Ends) -> None:
    ends[0].send({"cat": 1})
    ends[0].send(["é", None])
    assert [ends[1].receive(), ends[1].receive()] == [{"cat": 1}, ["é", None]]


def test_silence_and_a_trickle_are_both_too_late(ends: Ends) -> None:
    ends[1].limit(0.1)
    with pytest.raises(TimeoutError):
        ends[1].receive()

    def trickle() -> None:
        for byte in bytes([0] * 7 + [100] + [32] * 20):
            ends[0]._connection.sendall(bytes([byte]))
            time.sleep(0.02)

    trickling = threading.Thread(target=trickle)
    trickling.start()
    ends[1].limit(0.3)
    with pytest.raises(TimeoutError):
        ends[1].receive()
    trickling.join()


def test_nobody_reading_is_too_late_too(ends: Ends) -> None:
    ends[0].limit(0.1)
    with pytest.raises(TimeoutError):
        ends[0].send_text(b"x" * 10_000_000)


def test_a_closed_end_is_told(ends: Ends) -> None:
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive()


@pytest.mark.parametrize(
    "data", [b"\xff" * 8, b"\0" * 7 + b"\x01}", b"\0" * 6 + b"\x40\x00" + b"[" * 0x4000]
)
def test_nonsense_is_an_error_of_one_kind(ends: Ends, data: bytes) -> None:
    ends[2].sendall(data)
    ends[0].limit(2)
    with pytest.raises(ValueError):
        ends[0].receive()


def test_what_json_does_not_know_is_not_sent(ends: Ends) -> None:
    for value in ({"a": {1, 2}}, float("nan"), b"cat"):
        with pytest.raises((TypeError, ValueError)):
            ends[0].send(value)
    ends[0].send("next")
    assert ends[1].receive() == "next"
