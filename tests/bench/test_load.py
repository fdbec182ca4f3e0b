"""A worker's load inside this process: on asyncio's own loop, with timers that are not exact, and when stopped."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Any

import pytest

from apigw_cli.bench import alarm, coordinator, dial, models
from apigw_cli.bench.load import Load
from apigw_cli.bench.plan import Plan
from apigw_cli.bench.request import Request, parse_url
from apigw_cli.bench.tally import Tally
from apigw_cli.errors import EnvironmentFailure
from tests.bench.server import HANG, OK, serving


def share_of(url: str, **options: Any) -> Any:
    request = Request("GET", parse_url(url), ())
    values: dict[str, Any] = {"workers": 1, "concurrency": 2, "timeout": 5.0, "warmup": 0.0} | options
    return Plan(target=request.target, method="GET", request=request.encode(), **values).shares()[0]


async def finished(load: Load, meanwhile: Callable[[], None] = lambda: None) -> Tally:
    await load.connect()
    load.start(time.monotonic_ns())
    meanwhile()
    await asyncio.wait_for(asyncio.shield(load.finished), 30)
    await asyncio.sleep(0)
    return load.tally()


@pytest.mark.parametrize("options", [{"requests": 50}, {"requests": 50, "rate": 500.0}, {"duration": 0.2}])
def test_both_models_run_on_asyncio_with_its_own_timers(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")  # no timerfd

    async def run(url: str) -> Tally:
        load = models.load_for(share_of(url, **options))
        assert type(alarm.alarm(lambda: None)) is alarm.Alarm
        return await finished(load)

    with serving(lambda asked: OK) as server:
        tally = asyncio.run(run(server.url))
    assert tally.answers == server.asked > 0
    assert tally.answers == 50 or "duration" in options
    assert not tally.errors


def test_stopping_counts_what_is_under_way_as_unfinished() -> None:
    async def run(url: str) -> Tally:
        load = models.load_for(share_of(url, duration=60.0))

        def stop_soon() -> None:
            asyncio.get_running_loop().call_later(0.1, load.stop)

        return await finished(load, stop_soon)

    with serving(lambda asked: HANG) as server:
        tally = asyncio.run(run(server.url))
    assert (tally.answers, tally.unfinished, tally.errors) == (0, 2, {})


@pytest.mark.parametrize("options", [{"rate": 0.01}, {}])
def test_stopping_while_nothing_is_under_way_ends_once(options: dict[str, Any]) -> None:
    """Twice would close somebody else's file descriptor."""

    async def run(url: str) -> int:
        load = models.load_for(share_of(url, duration=60.0, **options))
        ends: list[None] = []
        finish = load._finish
        load._finish = lambda: ends.append(finish())  # type: ignore[method-assign]
        if options:
            await load.connect()
        load.start(time.monotonic_ns())
        while load._in_flight:
            await asyncio.sleep(0.01)
        load.stop()
        load.stop()
        return len(ends)

    with serving(lambda asked: OK) as server:
        assert asyncio.run(run(server.url)) == 1


def test_the_throughput_is_what_was_answered_within_the_measured_time_whenever_it_was_sent() -> None:
    """Otherwise a slow server would seem slower still: what is answered after the end is not in it."""

    async def run(url: str) -> Tally:
        load = models.load_for(share_of(url, duration=60.0, warmup=60.0))
        await load.connect()
        load.start(time.monotonic_ns())
        warm, cold = list(load._connections)
        load.answered(warm, 200, time.monotonic_ns())  # in the warm-up
        load._begin_measuring()
        load.answered(cold, 200, time.monotonic_ns())  # sent in the warm-up
        load.answered(warm, 200, time.monotonic_ns())  # sent in the warm-up
        load.answered(warm, 200, time.monotonic_ns())  # sent and answered within the time
        load._end_measuring()
        load.answered(cold, 200, time.monotonic_ns())  # answered after it
        load.stop()
        await asyncio.sleep(0)
        return load.tally()

    with serving(lambda asked: HANG) as server:
        tally = asyncio.run(run(server.url))
    assert (tally.in_window, tally.answers, tally.warmup) == (3, 2, 3)


def test_a_worker_without_any_request_to_send_ends_at_once() -> None:
    with serving(lambda asked: OK) as server:
        request = Request("GET", parse_url(server.url), ())
        plan = Plan(
            target=request.target, method="GET", request=request.encode(), workers=2, concurrency=2,
            timeout=5.0, warmup=0.0, requests=1,
        )  # fmt: skip

        async def run() -> Tally:
            return await finished(models.load_for(plan.shares()[1]))

        tally = asyncio.run(run())
    assert (tally.answers, server.asked) == (0, 0)


@pytest.mark.parametrize("kind", [alarm.Alarm, alarm.alarm])
def test_an_alarm_rings_once_not_before_its_time(kind: Callable[[Callable[[], None]], alarm.Alarm]) -> None:
    async def run() -> tuple[int, list[int]]:
        rung: list[int] = []
        done = asyncio.Event()

        def ring() -> None:
            rung.append(time.monotonic_ns())
            done.set()

        one = kind(ring)
        one.at(time.monotonic_ns() + 10**12)
        due = time.monotonic_ns() + 20_000_000
        one.at(due)  # replaces the first
        assert one.armed
        await asyncio.wait_for(done.wait(), 20)
        await asyncio.sleep(0.05)
        assert not one.armed
        one.close()
        return due, rung

    due, rung = asyncio.run(run())
    assert len(rung) == 1
    assert rung[0] >= due - 1_000_000  # loops round their timers to a millisecond


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), "refused"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "reset"),
        (OSError(101, "Network is unreachable"), "connect"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "ports"),
    ],
)
def test_connection_failures_have_classes(error: OSError, kind: str) -> None:
    assert dial.kind_of(error)[0] == kind


def test_running_out_of_files_while_connecting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", refuse)
        dialer = dial.Dialer(parse_url("http://127.0.0.1:9/"), 5.0, asyncio.Protocol, lambda kind, text: None)
        with pytest.raises(dial.OutOfFiles):
            await dialer.dial(3)
        dialer.close()

    asyncio.run(run())


def test_a_limit_on_open_files_is_noticed_before_the_load_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr("resource.getrlimit", lambda _: (100, 1000))
    monkeypatch.setattr("resource.setrlimit", lambda _, limits: raised.append(limits))
    coordinator.allow_files(20)
    assert raised == []
    coordinator.allow_files(500)
    assert raised == [(564, 1000)]
    with pytest.raises(EnvironmentFailure, match="need 2064 open files; the limit is 1000") as failure:
        coordinator.allow_files(2000)
    assert "ulimit -n 2064" in str(failure.value.hint)
