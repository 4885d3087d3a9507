"""What a socket receives comes in batches, each packet whole, with its sender and the kernel's time."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from probes.engine.packets import MAX_OCTETS
from probes.engine.receiver import BATCH, Receiver, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def bound(family: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.settimeout(0)
    opened.bind((LOOPBACK[socket.AddressFamily(family)], 0))
    return opened


class Pair:
    """A receiver, and a socket that sends to it."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.receiver = Receiver(bound(family))
        self.sender = bound(family)

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.sender.sendto(packet, self.receiver.socket.getsockname())

    def received(self) -> list[tuple[bytes, bytes, float]]:
        count = self.receiver.receive()
        return [self.receiver.packet(number) for number in range(count)]


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    made = Pair(request.param)
    yield made
    made.receiver.close()
    made.sender.close()


class TestReceiver:
    """Batches, of sockets of both families."""

    def test_nothing(self, pair: Pair) -> None:
        assert pair.received() == []
        assert list(pair.receiver.places) == []

    def test_whole_with_sender_and_time(self, pair: Pair) -> None:
        before = time.monotonic()
        pair.send(b"one", b"", b"three" * 100)
        between = time.monotonic()
        time.sleep(0.02)
        found = pair.received()
        assert [octets for octets, _, _ in found] == [b"one", b"", b"three" * 100]
        address = socket.inet_pton(pair.sender.family, LOOPBACK[pair.sender.family])
        assert {source for _, source, _ in found} == {address}
        times = [at for _, _, at in found]
        assert times == sorted(times)
        slack = 0.001  # the two clocks are not read in one moment
        assert before - slack <= times[0]
        assert times[-1] <= between + slack
        assert [at for _, _, at in pair.receiver.places] == times

    def test_one_batch_after_the_other(self, pair: Pair) -> None:
        packets = [number.to_bytes(2, "big") * (1 + number % 7) for number in range(2 * BATCH + 3)]
        pair.send(*packets)
        batches = [pair.received() for _ in range(4)]
        assert [len(batch) for batch in batches] == [BATCH, BATCH, 3, 0]
        assert [octets for batch in batches for octets, _, _ in batch] == packets

    def test_what_is_too_long_is_cut(self, pair: Pair) -> None:
        pair.send(bytes(MAX_OCTETS + 1), b"next")
        assert [octets for octets, _, _ in pair.received()] == [bytes(MAX_OCTETS), b"next"]

    def test_octets_of_an_earlier_batch_are_not_taken_for_these(self, pair: Pair) -> None:
        pair.send(b"a long one")
        pair.received()
        pair.send(b"short")
        assert [octets for octets, _, _ in pair.received()] == [b"short"]

    def test_a_stepped_clock_is_not_used(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pair.receiver.clock, "offset", lambda: None)
        pair.send(b"one")
        time.sleep(0.02)
        before = time.monotonic()
        ((_, _, at),) = pair.received()
        assert at >= before

    def test_without_a_stamp_it_is_now(self, pair: Pair) -> None:
        pair.send(b"stamped")
        pair.received()
        pair.receiver.socket.setsockopt(socket.SOL_SOCKET, 35, 0)  # SO_TIMESTAMPNS
        pair.send(b"not stamped")
        stamp(pair.receiver.socket)
        pair.send(b"stamped again")
        pair.receiver.socket.setsockopt(socket.SOL_SOCKET, 35, 0)
        time.sleep(0.02)
        before = time.monotonic()
        assert all(at >= before for _, _, at in pair.received())

    def test_a_time_is_never_to_come(self, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
        offset = pair.receiver.clock.offset()
        assert offset is not None
        monkeypatch.setattr(pair.receiver.clock, "offset", lambda: offset - 1.0)
        pair.send(b"one")
        ((_, _, at),) = pair.received()
        assert at <= time.monotonic()

    def test_what_had_no_room_is_counted(self, pair: Pair) -> None:
        pair.receiver.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        pair.send(*[bytes(500)] * 50)
        came = len(pair.received())
        assert came < 50
        pair.send(b"told with the next")
        pair.received()
        assert pair.receiver.dropped == 50 - came

    def test_an_error_left_on_the_socket_is_no_packet(self) -> None:
        pair = Pair()
        pair.receiver.socket.connect(pair.sender.getsockname())
        pair.sender.close()
        pair.receiver.socket.send(b"to nobody")
        assert pair.received() == []
        pair.receiver.close()
