"""Many requests in one breath: answered in order, and none is taken up before it is nearly its turn."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.test_tunnel import handshake
from tests.gateway.wire import Wire

SMALL = "GET /open/{} HTTP/1.1\r\nHost: localhost\r\n\r\n"


def sending(wire: Wire, data: bytes) -> threading.Thread:
    """Send more than buffers hold, beside the test."""
    thread = threading.Thread(target=wire.send, args=(data,), daemon=True)
    thread.start()
    return thread


def test_thousands_are_answered_in_order(gateway: Gateway) -> None:
    numbers = range(5000)
    with Wire(gateway.port) as wire:
        thread = sending(wire, "".join(SMALL.format(number) for number in numbers).encode())
        for number in numbers:
            answer = wire.answer()
            assert answer.status == 200
            assert b'"/open/%d"' % number in answer.body
        thread.join()


def test_requests_with_bodies_in_one_breath(gateway: Gateway, recorder: Recorder) -> None:
    """Of all sizes and framings, cut anywhere: each comes through whole."""
    draw = random.Random(7)
    bodies = [draw.randbytes(draw.choice((0, 1, 100, 4095, 4096, 4097, 70_000))) for _ in range(120)]
    sent = b""
    for number, body in enumerate(bodies):
        head = f"POST /open/body{number} HTTP/1.1\r\nHost: localhost\r\n"
        if number % 2:
            cuts = sorted(draw.sample(range(len(body) + 1), min(3, len(body))))
            parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
            sent += head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        else:
            sent += head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with Wire(gateway.port) as wire:
        thread = sending(wire, sent)
        assert {wire.answer().status for _ in bodies} == {200}
        thread.join()
    for number, body in enumerate(bodies):
        assert recorder.last(f"/open/body{number}").body == body


@pytest.mark.parametrize("path", ["/open/x", "/mocked"])
def test_a_request_behind_many_is_refused_after_them(gateway: Gateway, path: str) -> None:
    good = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with Wire(gateway.port) as wire:
        thread = sending(wire, good * 3000 + b"GET / HTTP/1.1\r\nHost : bad\r\n\r\n" + good * 3000)
        for _ in range(3000):
            assert wire.answer().status == 200
        assert wire.answer().status == 400
        assert wire.closed()
        thread.join()


def test_a_declined_handshake_in_the_midst(gateway: Gateway) -> None:
    """What came behind it, in the same breath and more than a slice, is HTTP again; and in order."""
    before = "".join(SMALL.format(f"before{number}") for number in range(200))
    after = "".join(SMALL.format(f"after{number}") for number in range(2000))
    with Wire(gateway.port) as wire:
        thread = sending(wire, before.encode() + handshake("/open/declined") + after.encode())
        for number in range(200):
            assert b'"/open/before%d"' % number in wire.answer().body
        assert wire.answer().status == 200
        for number in range(2000):
            assert b'"/open/after%d"' % number in wire.answer().body
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_small_when_many_clients_send_many(start: Start, recorder: Recorder) -> None:
    """Each sends megabytes of the smallest requests behind one that is not answered."""
    gateway = start("--workers", "1")
    (pid,) = gateway.workers()

    def resident() -> int:
        """KiB."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    small = b"GET /open HTTP/1.1\r\nHost:a\r\n\r\n"
    wires = [Wire(gateway.port) for _ in range(32)]
    recorder.received.clear()
    before = resident()
    threads = []
    for wire in wires:
        wire.send(b"GET /open/hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
        threads.append(sending(wire, small * 100_000))
    wait_until(lambda: len(recorder.received) == len(wires), "every first request")
    wait_until(lambda: at_rest(pid), "all to be read that will be")
    assert resident() - before < 32 * 512, "512 KiB for each: one read, and the requests of one slice"
    gateway.signal(signal.SIGINT)  # what the upstream does not answer would be waited for
    gateway.line("draining")
    gateway.signal(signal.SIGINT)
    for wire in wires:
        wire.socket.shutdown(2)
        wire.socket.close()
    for thread in threads:
        thread.join()


def at_rest(pid: int) -> bool:
    """Whether a process has hardly run for a while (its clock ticks ten times a second)."""

    def ran() -> int:
        """Hundredths of a second."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ran()
    time.sleep(0.5)
    return ran() - before < 5
