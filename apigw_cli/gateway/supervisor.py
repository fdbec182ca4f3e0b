"""The supervisor: compiles, owns the sockets, starts workers and keeps them, reloads, drains.

    load ─▶ bind ─▶ share memory ─▶ [sample upstreams] ─▶ start workers ─▶ admin ─▶ serve until a signal ─▶ drain

One lock orders what changes the workers' state: a reload, and the start of a worker. A worker that dies during a
reload is started again after it, with the Snapshot that is then the current one.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apigw_cli import __version__
from apigw_cli.errors import ApigwError, EnvironmentFailure, Exit, InputError
from apigw_cli.gateway import changes, overlay, purging, report, rundir, sockets, target_watch, tracing
from apigw_cli.gateway.admin import Admin
from apigw_cli.gateway.doors import Diversion
from apigw_cli.gateway.guard import guard
from apigw_cli.gateway.options import DRAIN_SECONDS, Options
from apigw_cli.gateway.overlay import NOTHING, Change, Overlay
from apigw_cli.gateway.prepared import Prepared, prepare
from apigw_cli.gateway.processes import Gone, Handle, LocalHandle, ProcessHandle
from apigw_cli.gateway.sample_upstream import SampleUpstreams
from apigw_cli.gateway.shared import NoRoom, Shared
from apigw_cli.gateway.source import Load
from apigw_cli.gateway.status import Status
from apigw_cli.gateway.target_watch import TargetWatch
from apigw_cli.gateway.watch import Watcher
from apigw_cli.limits.clock import TestClock
from apigw_cli.limits.kept import KeptStore

Say = Callable[[str], None]

QUOTA_SECONDS = 5.0  # between two times that quotas are written to the disk
_BACKOFF = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before a worker is started again
_STEADY_SECONDS = 30.0  # a worker that lived so long is started again at once


def run(options: Options, load: Load, say: Say) -> Exit:
    """Serve until a signal ends it: SIGTERM (exit 0) or SIGINT (exit 130). `say` prints a line on stderr.

    Raises ApigwError where it cannot start: what was written, a port in use, no memory.
    """
    tracing.check()
    guarded = guard(options.admin_host, options.admin_token_file)
    changed = _kept(load)
    prepared = prepare(lambda: load(changed))
    if options.unix_socket:
        listeners = sockets.bind_unix(options.unix_socket, options.workers)
    else:
        listeners = sockets.bind(options.host, options.port, options.workers)
    admin = sockets.bind(options.admin_host, options.admin_port, 1, "--admin-port")[0]
    supervisor = Supervisor(options, load, say, prepared, listeners)
    supervisor.status.overlay = changed
    supervisor.admin = Admin(admin, guarded, supervisor.status, supervisor)
    try:
        with asyncio.Runner() as runner:
            return runner.run(supervisor.serve())
    finally:
        if options.unix_socket:
            Path(options.unix_socket).unlink(missing_ok=True)


def _kept(load: Load) -> Overlay:
    """The APIs that an earlier gateway was told to keep (`?persist=true`)."""
    folder = load.run()
    return NOTHING if folder is None else rundir.kept(folder)


def _quota_file(options: Options, load: Load, prepared: Prepared, say: Say) -> Path | None:
    """Where quotas outlive the gateway; None where nothing may be written, and under a test's clock."""
    folder = load.run()
    if folder is None or options.test_clock or options.in_process:
        return None
    try:
        return rundir.quota_file(folder, prepared.loaded.snapshot.stage)
    except EnvironmentFailure as error:  # a folder that is only read
        say(report.event(f"{error}; quotas end with this gateway"))
        return None


def _shared(options: Options, quotas: Path | None, say: Say) -> Shared:
    try:
        return Shared.create(options, quotas)
    except NoRoom as error:
        say(report.event(f"{error}; quotas end with this gateway"))
        return Shared.create(options)


class Supervisor:
    """One running gateway."""

    admin: Admin

    def __init__(
        self,
        options: Options,
        load: Load,
        say: Say,
        prepared: Prepared,
        listeners: list[socket.socket],
    ) -> None:
        self._options = options
        self._load = load
        self._say = say
        self._listeners = listeners
        self._current = prepared
        self._shared = _shared(options, _quota_file(options, load, prepared, say), say)
        self.status = Status(options, self._shared, load, prepared)
        self._workers: dict[int, Handle] = {}
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: asyncio.Future[Exit] | None = None
        self._watcher: Watcher | None = None
        self._broken = False  # the last reload was refused
        self._last_refusal = ""
        self._diversions: dict[int, Diversion] = {}  # by the number of a worker that is dead
        self._address: Path | None = None  # the file that says where the admin port is

    # --- life

    async def serve(self) -> Exit:
        """Start everything, serve, stop everything."""
        self._stopped = asyncio.get_running_loop().create_future()
        self._take_signals()
        self._say(report.first_line(self._current.loaded, self._options))
        upstreams = SampleUpstreams(self._say)
        code = Exit.FAILED
        try:
            if self._options.upstream:
                await upstreams.start(self._current.loaded.snapshot)
            await self._start_workers()
            await self.admin.start()
            self._write_address()  # before the last line: who has read it may look for the address
            self._announce()
            self._spawn(self._watch_targets())
            if self._options.watch:
                self._spawn(self._watch())
            self._spawn(self._keep_quotas())
            code = await self._stopped
        finally:
            await self._stop(upstreams, code)
        return code

    def _announce(self) -> None:
        path = self._options.unix_socket
        port = 0 if path else self._listeners[0].getsockname()[1]
        host = f"unix:{path}" if path else self._options.host
        for line in report.addresses(self._current.loaded.snapshot, host, port, self.admin.url):
            self._say(line)
        self._say(report.last_line(self._current.loaded, self._options))

    def _write_address(self) -> None:
        """Say in a file beside apigw.yaml where the admin port is, for `apigw top`."""
        folder = self._load.run()
        if folder is None:
            return
        loaded, path = self._current.loaded, self._options.unix_socket
        facts = {
            "admin": self.admin.url,
            "stage": loaded.snapshot.stage,
            "version": __version__,
            "released": loaded.deployment is not None,
            "host": "" if path else self._options.host,
            "port": None if path else self._listeners[0].getsockname()[1],
        }
        try:
            self._address = rundir.announce(folder, facts)
        except EnvironmentFailure as error:  # a folder that is only read: serving goes on without it
            self._say(report.event(f"{error}; apigw top needs --admin {self.admin.url}"))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # a bug, or the system refused to watch files
            self._say(report.event(f"no longer done in the background: {type(error).__name__}: {error}"))

    # --- signals

    def _take_signals(self) -> None:
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, Exit.OK)
        loop.add_signal_handler(signal.SIGINT, self._end, Exit.INTERRUPTED)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_quietly()))

    def _end(self, code: Exit) -> None:
        """The first signal drains, the second ends at once."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(code)
            return
        for worker in self._workers.values():
            worker.kill()

    async def _stop(self, upstreams: SampleUpstreams, code: Exit) -> None:
        self.status.stopping = True
        if self._watcher is not None:
            self._watcher.stop()
        if code != Exit.FAILED:
            self._say(report.event(f"draining, for at most {DRAIN_SECONDS:.0f} s; Ctrl-C again stops at once"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for number in list(self._diversions):
            self._end_diversion(number)
        if not self._options.in_process:  # else the worker closes what is its own
            for listener in self._listeners:
                listener.close()
        await asyncio.gather(*(worker.drain(DRAIN_SECONDS) for worker in self._workers.values()))
        if self._shared.doors is not None:
            self._shared.doors.close()
        await self.admin.stop()
        if self._address is not None:
            self._address.unlink(missing_ok=True)
        await upstreams.stop()

    # --- workers

    async def _start_workers(self) -> None:
        numbers = range(self._options.workers)
        async with self._lock:
            results = await asyncio.gather(*(self._start(i) for i in numbers), return_exceptions=True)
        for result in results:
            if isinstance(result, Gone):
                raise EnvironmentFailure("a worker ended while it started", hint="its last words stand above")
            if isinstance(result, BaseException):
                raise result
        for number in numbers:
            self._spawn(self._keep(number))

    async def _start(self, number: int) -> None:
        """Start worker `number` and let it serve the current Snapshot. Raises Gone, InputError. Needs the lock."""
        handle: Handle
        if self._options.in_process:
            handle = LocalHandle(self._listeners[number], self._shared)
        else:
            handle = await ProcessHandle.start(number, self._listeners[number], self._shared)
        self._workers[number] = handle
        order = self._current.order(self.status.generation, self.status.layout)
        refusal = await handle.prepare(order)
        if refusal is not None:
            handle.kill()
            raise refusal.error()
        await handle.commit(self._current.commit(self.status.generation))
        self.status.serving.add(number)
        self._end_diversion(number)

    async def _keep(self, number: int) -> None:
        """Whenever worker `number` ends, start another."""
        failures = 0
        while True:
            handle = self._workers[number]
            how = await handle.wait()
            self.status.serving.discard(number)
            self._shared.inflight.clear(number)
            self._divert(number)
            self._shared.slots.clear(number)
            self._shared.cache.clear(number)
            failures = 0 if time.monotonic() - handle.started > _STEADY_SECONDS else failures
            self.status.worker_restarts += 1
            delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
            when = f"in {delay:g} s" if delay else "at once"
            self._say(report.event(f"worker {number + 1} {how}; starting another {when}"))
            failures += 1
            await asyncio.sleep(delay)
            async with self._lock:
                try:
                    await self._start(number)
                except Gone:
                    pass  # the next turn says so
                except (InputError, OSError) as error:
                    self._say(report.event(f"worker {number + 1} cannot be started: {error}"))

    def _divert(self, number: int) -> None:
        """Let the other workers have what comes to the listening socket of one that has died."""
        doors, listener = self._shared.doors, self._listeners[number]
        if doors is None:
            return
        doors.away(number)
        if number not in self._diversions and self._listeners.count(listener) == 1:
            self._diversions[number] = Diversion(doors, number, listener)

    def _end_diversion(self, number: int) -> None:
        diversion = self._diversions.pop(number, None)
        if diversion is not None:
            diversion.end()

    async def _keep_quotas(self) -> None:
        """Have quotas written to the disk now and then: what a machine that loses power forgets is bounded."""
        while isinstance(self._shared.quotas, KeptStore):
            await asyncio.sleep(QUOTA_SECONDS)
            await asyncio.to_thread(self._shared.quotas.flush)

    # --- time

    def advance(self, seconds: float) -> dict[str, Any]:
        """Move the time of limits and quotas forward, for all workers at one instant. Raises InputError."""
        clock = self._shared.clock
        if not isinstance(clock, TestClock):
            raise InputError("this gateway goes by the machine's time", hint="start it with --test-clock")
        try:
            clock.advance(round(seconds * 1e9))
        except ValueError as error:
            raise InputError(str(error)) from None
        return {"advanced_s": clock.offset() / 1e9, "utc": datetime.fromtimestamp(clock.wall(), UTC).isoformat()}

    # --- the cache

    def purge(self, order: purging.Order) -> int:
        """Use nothing of it any more, in no worker. Raises InputError."""
        return purging.carry_out(order, self._shared.cache.purges)

    # --- reload

    async def reload(self, files: Iterable[Path] = ()) -> list[str]:
        """Load anew, since `files` have changed, and let all workers serve it. Returns what changed.

        Raises ApigwError where that cannot be; then all serve what they served before.
        """
        async with self._lock:
            began = time.monotonic()
            try:
                what = await self._reload(began, self.status.overlay, report.because(files))
            except ApigwError as error:
                self.status.reloads_refused += 1
                self._broken = True
                self._refuse(error)
                raise
            self._broken = False
            self._last_refusal = self.status.refused = ""
            self.status.reloads += 1
            return what

    async def _reload(self, began: float, changed: Overlay, because: str) -> list[str]:
        prepared = await asyncio.to_thread(prepare, lambda: self._load(changed), self._current.signature)
        generation = self.status.generation + 1
        await self._prepare_all(prepared, generation)
        commit = prepared.commit(generation)
        await asyncio.gather(*(w.commit(commit) for w in self._serving()), return_exceptions=True)
        before, self._current = self._current, prepared
        self.status.overlay = changed
        self.status.swap(prepared, generation)
        others = {name for name, _ in before.secrets.items() ^ prepared.secrets.items()}
        what = changes.describe(before.loaded.snapshot, prepared.loaded.snapshot, others)
        what += changes.of_canary(before.loaded.canary, prepared.loaded.canary)
        self._say(report.reloaded(because, changes.summary(what), len(self._workers), time.monotonic() - began))
        if self._watcher is not None and before.loaded.files != prepared.loaded.files:
            self._watcher.stop()
        return what

    # --- APIs at run time

    async def put_api(self, name: str, body: bytes, persist: bool) -> list[str]:
        """Serve the API in `body` under `name`, in place of one that has it. Returns what changed."""
        label = f"PUT /apis/{name}"
        change = Change(label, overlay.decoded(body, label))
        async with self._lock:
            return await self._overlay({**self.status.overlay, name: change}, name, label, persist)

    async def delete_api(self, name: str, persist: bool, restore: bool) -> list[str] | None:
        """Serve an API no more; `restore`: serve it as the files have it. Returns what changed; None: no such API."""
        async with self._lock:
            now = self._current.loaded
            if name not in self.status.overlay and (restore or all(api.name != name for api in now.snapshot.apis)):
                return None
            changed = {other: change for other, change in self.status.overlay.items() if other != name}
            label = f"DELETE /apis/{name}"
            if name in now.declared and not restore:
                changed[name] = Change(label, None)
            return await self._overlay(changed, name, label, persist)

    async def _overlay(self, changed: Overlay, name: str, because: str, persist: bool) -> list[str]:
        folder = self._load.run() if persist else None
        if persist and folder is None:
            raise InputError("there is no apigw.yaml beside which to keep it", hint="leave out persist")
        try:
            what = await self._reload(time.monotonic(), changed, f"{because}: ")
        except ApigwError:
            self.status.reloads_refused += 1
            raise
        self.status.reloads += 1
        if folder is not None:
            await asyncio.to_thread(rundir.keep, folder, name, changed.get(name))
        return what

    async def _prepare_all(self, prepared: Prepared, generation: int) -> None:
        """All workers or none. One that ends meanwhile does not count: its successor gets what is then current."""
        order = prepared.order(generation, self.status.layout)
        results = await asyncio.gather(*(w.prepare(order) for w in self._serving()), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Gone):
                raise result
            if result is not None and not isinstance(result, BaseException):
                raise result.error()

    def _serving(self) -> list[Handle]:
        return [self._workers[number] for number in sorted(self.status.serving)]

    def _refuse(self, error: ApigwError) -> None:
        lines = report.refused(error)
        self.status.refused = str(error)
        text = "\n".join(line.partition(" ")[2] for line in lines)
        if text != self._last_refusal:  # saved again with the same fault: said once
            self._last_refusal = text
            for line in lines:
                self._say(line)

    async def _reload_quietly(self, files: Iterable[Path] = ()) -> None:
        """Reload; what is wrong has been said by then."""
        try:
            await self.reload(files)
        except ApigwError:
            pass

    async def _watch_targets(self) -> None:
        watch = TargetWatch()
        while True:
            for line in watch.look(self.status.targets()):
                self._say(report.event(line))
            await asyncio.sleep(target_watch.SECONDS)

    async def _watch(self) -> None:
        while True:
            files = self._current.loaded.files
            self._watcher = Watcher(files, self._current.signature)
            async for changed in self._watcher.changes():
                if changed or self._broken:
                    await self._reload_quietly(changed)
