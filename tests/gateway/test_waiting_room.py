"""The queue before `--concurrency`: its invariants under every order of events, and what clients see of it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.gateway.waiting_room import WaitingRoom
from apigw_cli.limits.inflight import InFlight
from tests.gateway import conftest
from tests.gateway.conftest import Start
from tests.gateway.program import PATIENCE, Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.test_tunnel import handshake
from tests.gateway.wire import Wire, ask, get

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="several workers share memory")


class Handle:
    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        self.work = None


class Loop:
    """An event loop in which nothing happens until the test says so."""

    def __init__(self) -> None:
        self.soon: list[Handle] = []
        self.later: list[Handle] = []

    def call_soon(self, work: Callable[[], None]) -> Handle:
        self.soon.append(Handle(work))
        return self.soon[-1]

    def call_later(self, _: float, work: Callable[[], None]) -> Handle:
        self.later.append(Handle(work))
        return self.later[-1]

    @staticmethod
    def run(handles: list[Handle]) -> None:
        due, handles[:] = list(handles), []
        for handle in due:
            if handle.work is not None:
                handle.work()


class Worker:
    """What a worker does with its room."""

    def __init__(self, inflight: InFlight, clock: Callable[[], int], length: int) -> None:
        self.inflight = inflight
        self.loop = Loop()
        self.length = length
        self.room = WaitingRoom(self.loop, inflight, clock)  # type: ignore[arg-type]
        self.busy: list[Client] = []
        self.order: list[Client] = []  # as they came to wait
        self.turns: list[Client] = []  # as they got their turn

    def arrive(self) -> None:
        client = Client(self)
        if not self.room.queue and self.inflight.enter():
            self.busy.append(client)
        elif self.room.join(client, self.length):  # type: ignore[arg-type]
            self.order.append(client)

    def finish(self, at: int) -> None:
        if self.busy:
            self.busy.pop(at % len(self.busy))
            self.inflight.leave()
            if self.room.queue:
                self.room.freed()

    def give_up(self, at: int) -> None:
        waiting = list(self.room.queue)
        if waiting:
            client: Any = waiting[at % len(waiting)]
            self.room.leave(client)
            self.order.remove(client)


class Client:
    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def take_turn(self, waited: int) -> None:
        assert waited >= 0
        self.worker.busy.append(self)
        self.worker.turns.append(self)


STEPS = st.tuples(
    st.sampled_from(["arrive", "arrive", "finish", "finish", "give up", "turn", "look", "die"]),
    st.integers(0, 2),
    st.integers(0, 7),
)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 4), st.lists(STEPS, max_size=60))
def test_invariants(number: int, maximum: int, length: int, steps: list[tuple[str, int, int]]) -> None:
    now = [1000]
    first = InFlight.create(number, maximum)
    counts = [first, *(InFlight.attach(os.dup(first.fd), worker) for worker in range(1, number))]
    workers = [Worker(count, lambda: now[0], length) for count in counts]
    for step, index, at in steps:
        now[0] += 1
        index %= number
        worker = workers[index]
        if step == "arrive":
            worker.arrive()
        elif step == "finish":
            worker.finish(at)
        elif step == "give up":
            worker.give_up(at)
        elif step == "turn":
            Loop.run(worker.loop.soon)
        elif step == "look":
            Loop.run(worker.loop.later)
        elif index:  # SIGKILL; the supervisor clears its words, and a successor starts
            first.clear(index)
            counts[index].close()
            counts[index] = InFlight.attach(os.dup(first.fd), index)
            workers[index] = Worker(counts[index], lambda: now[0], length)
        assert sum(len(one.busy) for one in workers) == first.total() <= maximum
        for one in workers:
            assert len(one.room.queue) <= length
            assert [*one.turns, *one.room.queue] == one.order, "somebody was overtaken, or forgotten"
    for one in [*workers, *workers]:  # whatever happened: two looks of each, and no place is free while somebody waits
        Loop.run(one.loop.soon)
        Loop.run(one.loop.later)
    assert first.total() == maximum or not any(one.room.queue for one in workers)
    for count in counts:
        count.close()


def test_a_worker_without_a_place_gets_one_from_a_busy_one() -> None:
    """One worker's requests come and go; another's first has waited longer, and gets the next place."""
    now = [1000]
    first = InFlight.create(2, 2)
    workers = [Worker(count, lambda: now[0], 100) for count in (first, InFlight.attach(os.dup(first.fd), 1))]
    busy, poor = workers
    for _ in range(2):
        busy.arrive()
    poor.arrive()
    for _ in range(10):
        now[0] += 1
        busy.arrive()
    for _ in range(2):
        busy.finish(0)
        Loop.run(busy.loop.soon)
    Loop.run(poor.loop.later)
    assert len(poor.busy) == 1
    assert len(busy.turns) == 1
    for worker in workers:
        worker.inflight.close()


# --- with clients


def begin(start: Start, folder: Path, recorder: Recorder, listen: str, *arguments: str) -> Gateway:
    conftest.write(folder, recorder.port)
    config = folder / "apigw.yaml"
    config.write_text(f"listen: {{{listen}}}\n" + config.read_text())
    recorder.go_on.clear()
    recorder.received.clear()
    return start(*arguments)


def request(path: str) -> bytes:
    return f"GET /open/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def waiting(gateway: Gateway, number: int) -> None:
    wait_until(lambda: gateway.metric("apigw_waiting") == number, f"{number} to wait")


def urls(recorder: Recorder) -> list[str]:
    return [one.url for one in recorder.received]


def test_first_come_first_served(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {time: 30s}", "--concurrency", "1")
    with ExitStack() as stack:
        wires = []
        for number in range(6):
            wires.append(stack.enter_context(Wire(gateway.port)))
            wires[-1].send(request(f"{number}/wait" if number == 0 else str(number)))
            waiting(gateway, number)
        wires[3].socket.close()  # leaves: nobody asks the upstream for it
        waiting(gateway, 4)
        recorder.go_on.set()
        for number in (0, 1, 2, 4, 5):
            assert wires[number].answer().status == 200
    assert urls(recorder) == ["/open/0/wait", "/open/1", "/open/2", "/open/4", "/open/5"]
    assert gateway.counts(5, "apigw_waited_total")
    waiting(gateway, 0)
    assert gateway.log_line(path="/open/3")["reason"] == "client_gone"


def test_a_full_queue_and_one_that_takes_too_long(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {length: 1, time: 2s}", "--concurrency", "1")
    with Wire(gateway.port) as served, Wire(gateway.port) as patient:
        served.send(request("wait"))
        wait_until(lambda: recorder.received, "the first request")
        patient.send(request("late"))
        waiting(gateway, 1)
        refused = get(gateway.port, "/open/refused")
        assert (refused.status, refused.header("Retry-After")) == (503, "1")
        late = patient.answer()
        assert (late.status, late.header("Retry-After")) == (503, "1")
        assert "in flight" in json.loads(late.body)["message"]
        recorder.go_on.set()
        assert served.answer().status == 200
        assert patient.send(request("again")).answer().status == 200
    assert urls(recorder) == ["/open/wait", "/open/again"]
    assert gateway.log_line(path="/open/late")["reason"] == "overloaded"
    assert gateway.log_line(path="/open/late")["duration_ms"] >= 1900
    assert gateway.counts(2, "apigw_refusals_total", reason="overloaded")


def test_without_a_queue_the_answer_comes_at_once(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {length: 0}", "--workers", "2", "--concurrency", "2")
    with Wire(gateway.port) as one, Wire(gateway.port) as two:
        for number, wire in enumerate((one, two), 1):
            wire.send(request("wait"))
            wait_until(lambda: len(recorder.received) == number, "the request")  # noqa: B023
        assert get(gateway.port, "/open/x").status == 503
        recorder.go_on.set()
        assert one.answer().status == two.answer().status == 200
    assert gateway.metric("apigw_waited_total") == 0


def test_what_has_waited_has_all_of_its_time(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    """The upstream answers within its 300 ms; the wait before took longer, and is no fault of its."""
    gateway = begin(start, tmp_path, recorder, "queue: {time: 30s}", "--concurrency", "1")
    with Wire(gateway.port) as first, Wire(gateway.port) as second:
        first.send(request("wait"))
        wait_until(lambda: recorder.received, "the first request")
        second.send(b"POST /impatient/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
        for _ in range(8):  # a tick is 0.1 s
            waiting(gateway, 1)
            before = gateway.metric("apigw_reloads_total")
            assert gateway.admin("/reload", "POST")[0] == 200
            assert gateway.metric("apigw_reloads_total") == before + 1
        recorder.go_on.set()
        assert first.answer().status == 200
        assert second.answer().status == 200
    assert recorder.last("/impatient/x").body == b"hello"


def test_a_place_that_another_worker_frees(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {time: 30s}", "--workers", "2", "--concurrency", "1")
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.port)) for _ in range(24)]
        for number, wire in enumerate(wires):
            wire.send(request(f"{number}/wait"))
        waiting(gateway, 23)
        assert len(recorder.received) == 1
        recorder.go_on.set()
        assert {wire.answer().status for wire in wires} == {200}
    assert len(recorder.received) == 24


def test_the_places_of_a_killed_worker_are_free(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {time: 30s}", "--workers", "2", "--concurrency", "1")
    workers = gateway.workers()
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(gateway.port)) for _ in range(16)]
        for wire in wires:
            wire.send(request("wait"))
        waiting(gateway, 15)
        for pid in workers:  # whichever holds the place
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gateway.metric("apigw_worker_restarts_total") == 2, "both to be replaced")
        wait_until(lambda: gateway.metric("apigw_workers") == 2, "both to serve")
    assert gateway.metric("apigw_waiting") == gateway.metric("apigw_in_flight") == 0
    recorder.go_on.set()
    assert get(gateway.port, "/open/after").status == 200


def test_draining_keeps_what_waits(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "queue: {time: 30s}", "--concurrency", "1")
    with Wire(gateway.port) as one, Wire(gateway.port) as two:
        one.send(request("wait"))
        wait_until(lambda: recorder.received, "the first request")
        two.send(request("second"))
        waiting(gateway, 1)
        gateway.signal(signal.SIGTERM)
        gateway.line("draining")
        recorder.go_on.set()
        for wire in (one, two):
            answer = wire.answer()
            assert (answer.status, answer.header("Connection")) == (200, "close")
    assert gateway.process.wait(PATIENCE) == 0


# --- event streams and WebSockets are no requests in flight


def test_event_streams_are_counted_apart(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "streams: 2, queue: {length: 0}", "--concurrency", "1")
    with Wire(gateway.port) as one, Wire(gateway.port) as two:
        for wire in (one, two):
            wire.send(request("drip"))
            while b"data: one" not in wire.line():
                pass
        wait_until(lambda: gateway.metric("apigw_event_streams") == 2, "both to be counted")
        assert gateway.counts(0, "apigw_in_flight")
        assert get(gateway.port, "/open/x").status == 200
        for refused in (get(gateway.port, "/open/drip"), ask(gateway.port, handshake("/open/ws"))):
            assert (refused.status, refused.header("Retry-After")) == (503, "1")
        assert get(gateway.port, "/open/drip", method="HEAD").status == 200
        recorder.go_on.set()
        for wire in (one, two):
            wire.rest_of_chunks()
    wait_until(lambda: gateway.metric("apigw_event_streams") == 0, "their end")
    with Wire(gateway.port) as tunnel:
        assert tunnel.send(handshake("/open/ws")).answer().status == 101
        assert get(gateway.port, "/open/drip").status == 200
        with Wire(gateway.port) as second:
            assert second.send(handshake("/open/ws")).answer().status == 101
            assert get(gateway.port, "/open/drip").status == 503
    assert gateway.counts(3, "apigw_refusals_total", reason="overloaded")


def test_a_client_that_leaves_its_event_stream(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "streams: 1", "--concurrency", "1")
    for _ in range(3):
        with Wire(gateway.port) as wire:
            wire.send(request("drip"))
            while b"data: one" not in wire.line():
                pass
        wait_until(lambda: gateway.metric("apigw_event_streams") == 0, "its end")
    recorder.go_on.set()


def test_an_event_stream_has_no_total_time(start: Start, tmp_path: Path, recorder: Recorder) -> None:
    gateway = begin(start, tmp_path, recorder, "", "--workers", "1")
    with Wire(gateway.port) as wire:
        wire.send(b"GET /impatient/drip HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"data: one" not in wire.line():
            pass
        for _ in range(4):  # 300 ms each, more than the upstream's total of 1 s
            assert get(gateway.port, "/impatient/hang").status == 504
        recorder.go_on.set()
        assert b"data: two" in wire.rest_of_chunks()
