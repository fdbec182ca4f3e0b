"""Carries out a plan: worker processes that begin together; collects what they counted, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from apigw_cli.bench.call import Target
from apigw_cli.bench.histogram import Histogram
from apigw_cli.bench.plan import SECOND, Plan, Task
from apigw_cli.bench.tally import Fatal, Finished, Message, Progress, Ready, Tally, added
from apigw_cli.errors import EnvironmentFailure

_LINE = 1 << 29  # a worker's result is one line
_GRACE = 15.0  # seconds beyond the plan after which a worker counts as stuck
_HEAD_START = 20_000_000  # nanoseconds between "begin at" and that time
_SPARE_FILES = 64


@dataclass(slots=True)
class Live:
    """How far a run is, summed over workers; for showing it. What follows `errors` is there where it is watched."""

    measuring: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    errors: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True)
class Collected:
    """What the workers counted. `interrupted`: it was stopped by a signal, so it is a part of what was asked."""

    tallies: list[Tally]
    interrupted: bool


def reach(target: Target, timeout: float) -> Target:
    """`target` with its address, after one connection to see that somebody listens. Raises EnvironmentFailure."""
    where = f"{target.host}:{target.port}"
    # Resolvers that do not know it would look the name up elsewhere (RFC 6761, section 6.3).
    host = "localhost" if target.host.lower().endswith(".localhost") else target.host
    try:
        with socket.create_connection((host, target.port), timeout=timeout) as connection:
            address = connection.getpeername()[0]
            context = target.context()
            if context is not None:
                context.wrap_socket(connection, server_hostname=target.server_name).close()
    except ConnectionRefusedError:
        raise EnvironmentFailure(
            f"connection refused by {where}: nobody listens there",
            hint="is the gateway running? start it with: apigw serve --upstream",
        ) from None
    except TimeoutError:
        raise EnvironmentFailure(f"no connection to {where} in {timeout:g} s") from None
    except socket.gaierror as error:
        raise EnvironmentFailure(f"the host name {target.host} has no address ({error.strerror})") from None
    except ssl.SSLCertVerificationError as error:
        raise EnvironmentFailure(
            f"the certificate of {where} is not trusted: {error.verify_message}",
            hint="SSL_CERT_FILE=FILE names further certificates to trust",
        ) from None
    except OSError as error:
        raise EnvironmentFailure(f"cannot connect to {where}: {error.strerror or error}") from None
    return msgspec.structs.replace(target, address=address)


def allow_files(connections: int) -> None:
    """Let each worker open so many connections. Raises EnvironmentFailure where the system does not."""
    try:
        import resource
    except ImportError:
        return
    needed = connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise EnvironmentFailure(
            f"{connections} connections in one worker need {needed} open files; the limit is {hard}",
            hint=f"raise it with: ulimit -n {needed}   or use more --workers",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def run(plan: Plan, show: Callable[[Live], None]) -> Collected:
    """Carry out `plan` and wait for its end. `show` is called about four times a second.

    SIGINT and SIGTERM end it early with what there is; a second one abandons it (KeyboardInterrupt).
    Raises EnvironmentFailure where a worker cannot do its part.
    """
    allow_files(max(plan.in_flight))
    return asyncio.run(_Run(plan, show).execute())


class _Worker:
    """One process and the lines that it sends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self.progress: Progress | None = None

    @classmethod
    async def start(cls, task: Task) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "apigw_cli.bench.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE,
            # Ctrl-C reaches all of the terminal's processes, also one that has not got as far as to ignore it itself.
            preexec_fn=_deaf_to_interrupts if os.name == "posix" else None,
        )
        worker = cls(process)
        worker.tell(msgspec.json.encode(task))
        return worker

    def tell(self, line: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._stdin.write(line + b"\n")

    async def hear(self) -> Message:
        """The next message. Raises EnvironmentFailure for a worker that cannot go on, or ended unasked."""
        line = await self._stdout.readline()
        if not line:
            code = await self.process.wait()
            raise EnvironmentFailure(f"a bench worker (process {self.process.pid}) ended by itself with code {code}")
        message: Message = msgspec.json.decode(line, type=Message)
        if isinstance(message, Fatal):
            raise EnvironmentFailure(message.message, hint=message.hint)
        return message

    async def ready(self) -> None:
        message = await self.hear()
        assert isinstance(message, Ready)

    async def result(self) -> Tally:
        while True:
            message = await self.hear()
            if isinstance(message, Finished):
                return message.tally
            if isinstance(message, Progress):
                self.progress = message

    async def end(self) -> None:
        """Make sure that the process is gone."""
        self._stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 2)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


def _deaf_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Run:
    def __init__(self, plan: Plan, show: Callable[[Live], None]) -> None:
        self._plan, self._show = plan, show
        self._workers: list[_Worker] = []
        self._signals = 0
        self._begun = False

    async def execute(self) -> Collected:
        task = asyncio.ensure_future(self._collect())
        with self._heeding_signals(task):
            async with self._ending():
                return await task

    async def _collect(self) -> Collected:
        for task in self._plan.tasks():
            self._workers.append(await _Worker.start(task))
        await asyncio.gather(*(worker.ready() for worker in self._workers))
        begin = b'{"start":%d}' % (time.monotonic_ns() + _HEAD_START)
        for worker in self._workers:
            worker.tell(begin)
        self._begun = True
        showing = asyncio.ensure_future(self._keep_showing())
        try:
            results = asyncio.gather(*(worker.result() for worker in self._workers))
            tallies = await asyncio.wait_for(results, self._deadline())
        except TimeoutError:
            raise EnvironmentFailure("a bench worker did not come to its end in time") from None
        finally:
            showing.cancel()
        return Collected(tallies, interrupted=self._signals > 0)

    def _deadline(self) -> float | None:
        if self._plan.duration is None:
            return None  # so many requests take as long as they take; workers give up on a dead target
        return self._plan.warmup + self._plan.duration + 1.1 * self._plan.timeout + _GRACE

    async def _keep_showing(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            self._show(_live([worker.progress for worker in self._workers if worker.progress is not None]))

    @contextlib.contextmanager
    def _heeding_signals(self, task: asyncio.Future[Collected]) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._signals += 1
            if self._signals > 1 or not self._begun:
                task.cancel()
            for worker in self._workers:
                worker.tell(b"stop")

        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.getsignal(number) for number in numbers}
        with contextlib.suppress(NotImplementedError):
            for number in numbers:
                loop.add_signal_handler(number, stop)
        try:
            yield
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            with contextlib.suppress(NotImplementedError):
                for number, handler in before.items():
                    loop.remove_signal_handler(number)
                    signal.signal(number, handler)

    @contextlib.asynccontextmanager
    async def _ending(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.gather(*(worker.end() for worker in self._workers))


def _live(parts: list[Progress]) -> Live:
    return Live(
        measuring=any(part.measuring for part in parts),
        counts=added(part.counts for part in parts),
        errors=sum(part.errors for part in parts),
        statuses=added(part.statuses for part in parts),
        classes=added(part.classes for part in parts),
        latency=Histogram.of(part.latency for part in parts),
    )


def elapsed_seconds(tallies: list[Tally]) -> float:
    """How long was measured: the longest of the workers' times."""
    return max((tally.elapsed for tally in tallies), default=0) / SECOND
