"""The upstream's processes and sockets: one event loop in each worker, one listening address for all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apigw_cli.errors import EnvironmentFailure, Exit
from apigw_cli.upstream.answers import Site
from apigw_cli.upstream.connection import Connection
from apigw_cli.upstream.messages import Dated
from apigw_cli.upstream.shared import Shared

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Options:
    """What `apigw upstream` was asked for. `fail_rate` is 0 to 1, `latency` seconds; port 0 picks a free one."""

    host: str = "127.0.0.1"
    port: int = 9001
    workers: int = 1
    fail_rate: float = 0.0
    fail_status: int = 500
    latency: float = 0.0


def run(options: Options, on_listen: Callable[[str], None]) -> Exit:
    """Serve until SIGTERM (exit 0) or SIGINT (exit 130). `on_listen` gets the URL once connections are taken.

    Raises EnvironmentFailure where the address cannot be had, or a worker dies by itself.
    """
    if options.workers > 1 and not hasattr(os, "fork"):
        raise EnvironmentFailure("more than one worker needs a system with fork", hint="use --workers 1")
    sockets = listen(options.host, options.port, options.workers)
    shared = Shared(options.workers)
    url = url_of(sockets[0])
    if options.workers == 1:
        return _serve(sockets[0], options, shared, lambda: on_listen(url))
    return _supervise(sockets, options, shared, lambda: on_listen(url))


def listen(host: str, port: int, workers: int) -> list[socket.socket]:
    """A listening socket for each worker, all on one address. Raises EnvironmentFailure where it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise EnvironmentFailure(f"cannot listen on {host}: {error.strerror or error}") from None
    first = _bind(family, address, shared=False)
    if workers == 1 or sys.platform != "linux":
        first.listen(_BACKLOG)
        return [first] * workers
    # With SO_REUSEPORT Linux spreads connections over the sockets evenly; it also hides that somebody
    # else listens, so the address is first tried without.
    address = first.getsockname()
    first.close()
    sockets = [_bind(family, address, shared=True) for _ in range(workers)]
    for one in sockets:
        one.listen(_BACKLOG)
    return sockets


def _bind(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    except OSError as error:
        one.close()
        raise EnvironmentFailure(
            f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}",
            hint="another program has this port: --port 0 picks a free one",
        ) from None
    one.setblocking(False)
    return one


def url_of(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(listener: socket.socket, options: Options, shared: Shared, on_listen: Callable[[], None]) -> Exit:
    """Run one worker in this process until a signal; the exit code says which."""
    loop = new_loop()
    try:
        return loop.run_until_complete(_until_stopped(listener, options, shared, on_listen))
    except KeyboardInterrupt:  # where the loop has no signal handlers (Windows)
        return Exit.INTERRUPTED
    finally:
        loop.close()


async def _until_stopped(
    listener: socket.socket, options: Options, shared: Shared, on_listen: Callable[[], None]
) -> Exit:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[Exit] = loop.create_future()

    def stop(code: Exit) -> None:
        if not stopped.done():
            stopped.set_result(code)

    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, stop, Exit.OK)
        if options.workers == 1:  # otherwise the supervisor hears it and tells the workers
            loop.add_signal_handler(signal.SIGINT, stop, Exit.INTERRUPTED)
    site = Site(shared, fail_rate=options.fail_rate, fail_status=options.fail_status, latency=options.latency)
    dated, open_ones = Dated(), set[Connection]()
    server = await loop.create_server(
        lambda: Connection(site.answer, dated, open_ones), sock=listener, backlog=_BACKLOG
    )
    on_listen()
    code = await stopped
    server.close()
    for connection in list(open_ones):
        connection.close()
    await asyncio.sleep(0)  # one turn of the loop, in which the connections close
    return code


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop, or asyncio's own where uvloop has no build."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _supervise(sockets: list[socket.socket], options: Options, shared: Shared, on_listen: Callable[[], None]) -> Exit:
    """Fork the workers and wait: for a signal, which stops them all, or for a worker that dies by itself."""
    alive, held = os.pipe()  # the workers see its end when this process is gone, however it went
    sys.stdout.flush()
    sys.stderr.flush()
    workers = [_fork(number, sockets, options, shared, (alive, held)) for number in range(options.workers)]
    for one in set(sockets):
        one.close()
    received: list[int] = []
    with _signals(received, workers):
        on_listen()
        dead, status = os.waitpid(-1, 0)
        failed = not received
        for pid in workers:
            if pid != dead:
                os.kill(pid, signal.SIGTERM)
        for pid in workers:
            if pid != dead:
                os.waitpid(pid, 0)
    os.close(held)
    if failed:
        raise EnvironmentFailure(f"upstream worker {dead} ended by itself ({os.waitstatus_to_exitcode(status)})")
    return Exit.INTERRUPTED if received[0] == signal.SIGINT else Exit.OK


@contextlib.contextmanager
def _signals(received: list[int], workers: list[int]) -> Iterator[None]:
    def stop(number: int, _frame: object) -> None:
        received.append(number)
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fork(number: int, sockets: list[socket.socket], options: Options, shared: Shared, pipe: tuple[int, int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.close(pipe[1])
        mine = sockets[number]
        for one in set(sockets) - {mine}:
            one.close()
        shared.index = number

        def watch_parent() -> None:
            loop = asyncio.get_running_loop()
            loop.add_reader(pipe[0], signal.raise_signal, signal.SIGTERM)

        code = _serve(mine, options, shared, watch_parent)
    finally:
        os._exit(code)
