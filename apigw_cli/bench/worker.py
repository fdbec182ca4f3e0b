"""A worker process: reads its share on stdin, makes its load, writes JSON lines on stdout.

in    a Task · {"start": nanoseconds} · "stop"; the end of stdin means that the parent is gone
out   Ready · Progress, four a second · Finished or Fatal (bench/tally.py)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading

import msgspec

from apigw_cli.bench.connection import clock
from apigw_cli.bench.dial import OutOfFiles
from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.load import Load
from apigw_cli.bench.models import load_for
from apigw_cli.bench.plan import Task
from apigw_cli.bench.series import COLUMNS
from apigw_cli.bench.tally import Fatal, Finished, Message, Progress, Ready, added, joined
from apigw_cli.bench.values import Values

_PROGRESS = 0.25
_WATCHED = 32  # kinds of requests whose latencies are shown while the run goes on: adding up more would be felt


class Start(msgspec.Struct):
    """When all workers begin together."""

    start: int


def main() -> None:
    """Run one worker to its end. The parent decides when it stops: Ctrl-C reaches it through the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_work(task))


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop, or asyncio's own where uvloop has no build."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _work(task: Task) -> None:
    values = Values(task.number, task.workers, task.rows)
    loads = [load_for(share, values) for share in task.shares]
    orders: asyncio.Queue[bytes] = asyncio.Queue()
    _listen(asyncio.get_running_loop(), orders)
    try:
        await asyncio.gather(*(load.connect() for load in loads))
        _say(Ready())
    except OutOfFiles:
        _say(Fatal("too many connections for the limit on open files", "raise it with: ulimit -n 65536"))
        return
    order = await orders.get()
    if not order.startswith(b"{"):
        return
    zero = msgspec.json.decode(order, type=Start).start
    gc.collect()
    gc.freeze()
    await asyncio.sleep(max(0.0, (zero - clock()) / 1e9))
    for load in loads:
        load.start(zero)
    await _until_finished(loads, orders, task.watched)
    _say(Finished(joined([load.tally() for load in loads])))


async def _until_finished(loads: list[Load], orders: asyncio.Queue[bytes], watched: bool) -> None:
    def stop(_: object) -> None:
        for load in loads:
            load.stop()

    stopping = asyncio.ensure_future(orders.get())
    stopping.add_done_callback(stop)
    ends = [load.finished for load in loads]
    while not all(end.done() for end in ends):
        await asyncio.wait(ends, timeout=_PROGRESS)
        _say(_progress(loads, watched))
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stopping


def _progress(loads: list[Load], watched: bool) -> Progress:
    *answers, errors = (sum(column) for column in zip(*(load.totals() for load in loads), strict=True))
    counts = dict(zip(COLUMNS[:3], answers, strict=True))
    measuring = any(load.measuring for load in loads)
    if not watched:
        return Progress(counts, errors, measuring)
    books = [book for load in loads for book in load.books][:_WATCHED]
    histogram = Histogram.of(own.items() for book in books for own in book.latencies.values())
    return Progress(
        counts,
        errors,
        measuring,
        added({status: count for status, count in enumerate(load.statuses) if count} for load in loads),
        added(load.errors for load in loads),
        histogram.pairs(),
    )


def _listen(loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[bytes]) -> None:
    """Hand each line of stdin to the loop; a thread, because not every loop can wait for a pipe."""

    def read() -> None:
        # Not sys.stdin: at exit the interpreter may not wait for a thread that holds its lock.
        while True:
            line = os.read(0, 65536)
            with contextlib.suppress(RuntimeError):  # the loop ends before the parent does
                loop.call_soon_threadsafe(orders.put_nowait, line)
            if not line:
                return

    threading.Thread(target=read, daemon=True).start()


def _say(message: Message) -> None:
    try:
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
