"""What goes through a channel arrives whole and in time, or is an error."""

import socket
import threading
from collections.abc import Iterator

import pytest

from beam_pipeline.benchmark.compare.channel import Channel

Ends = tuple[Channel, Channel, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    yield Channel(ours, max_bytes=1 << 24), Channel(theirs), theirs
    ours.close()
    theirs.close()


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


def test_silence_is_too_late(ends: Ends) -> None:
    ends[1].limit(0.1)
    with pytest.raises(TimeoutError):
        ends[1].receive()


def test_a_trickle_is_too_late() -> None:
    """The limit is for the whole message, not for each of its bytes."""
    sender, receiver = socket.socketpair()
    message = bytes([0] * 7 + [100] + [32] * 100)
    seconds = 0

    def clock() -> float:
        """A byte comes each second."""
        nonlocal seconds
        sender.sendall(message[seconds : seconds + 1])
        seconds += 1
        return seconds

    with sender, receiver:
        channel = Channel(receiver, clock)
        channel.limit(30)
        with pytest.raises(TimeoutError, match="not in time"):
            channel.receive()
    assert 30 <= seconds <= 32


def test_a_message_that_nobody_reads_is_too_late(ends: Ends) -> None:
    ends[0].limit(0.1)
    with pytest.raises(TimeoutError):
        ends[0].send_text(b"x" * 10_000_000)


def test_a_closed_end_is_noticed(ends: Ends) -> None:
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive()


@pytest.mark.parametrize(
    "data", [b"\xff" * 8, b"\0" * 7 + b"\x01}", b"\0" * 6 + b"\x40\x00" + b"[" * 0x4000]
)
def test_nonsense_is_an_error_of_one_kind(ends: Ends, data: bytes) -> None:
    ends[2].sendall(data)
    with pytest.raises(ValueError):
        ends[0].receive()


def test_what_json_has_no_form_for_is_not_sent(ends: Ends) -> None:
    for value in ({"a": {1, 2}}, float("nan"), b"cat"):
        with pytest.raises((TypeError, ValueError)):
            ends[0].send(value)
    ends[0].send("next")
    assert ends[1].receive() == "next"
