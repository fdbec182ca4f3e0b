"""The listening sockets. The supervisor owns them, so that none is lost with a worker.

On Linux each worker has a socket of its own on the same address (SO_REUSEPORT): the kernel spreads connections over
them by chance, and the workers even that out (`handover.py`). Elsewhere all share one socket.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
from typing import Any

from apigw_cli.errors import EnvironmentFailure

_LINGER = "hh" if sys.platform == "win32" else "ii"  # struct linger


def bind(host: str, port: int, workers: int, option: str = "--port") -> list[socket.socket]:
    """A bound socket for each worker, not listening yet; port 0 picks a free one. Raises EnvironmentFailure."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise EnvironmentFailure(f"cannot listen on {host}: {error.strerror}", hint="name an address: --host") from None
    family, address = found[0][0], found[0][4]
    first = _bind(family, address, option, shared=False)
    if workers == 1 or sys.platform != "linux":
        return [first] * workers
    # SO_REUSEPORT would hide that another program listens here: so the address was first taken without it.
    address = first.getsockname()
    first.close()
    return [_bind(family, address, option, shared=True) for _ in range(workers)]


def bind_unix(path: str, workers: int) -> list[socket.socket]:
    """One socket on a path for all workers, for its owner and group only (0660). Raises EnvironmentFailure.

    What a gateway left there that was killed is taken away; what another one listens on is not.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise EnvironmentFailure("this system has no Unix sockets", hint="listen on a port: --port 8080")
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        _take_away_stale(path)
        one.bind(path)
    except OSError as error:
        one.close()
        raise EnvironmentFailure(
            f"cannot listen on {path}: {error.strerror or error}", hint="name another path: --listen unix:PATH"
        ) from None
    finally:
        os.umask(before)
    one.setblocking(False)
    return [one] * workers


def _take_away_stale(path: str) -> None:
    """Raises OSError where something else is there, or somebody listens."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
    raise OSError(errno.EADDRINUSE, "another program listens there")


def _bind(family: int, address: tuple[object, ...], option: str, *, shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(address)
    except OSError as error:
        one.close()
        raise refused(str(address[0]), int(str(address[1])), error, option) from None
    one.setblocking(False)
    return one


def refused(host: str, port: int, error: OSError, option: str) -> EnvironmentFailure:
    """What to tell a person whose address cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return EnvironmentFailure(
            f"port {port} on {host} is in use by another program",
            hint=f"stop it, or choose another port: {option} {port + 10} ({option} 0 picks a free one)",
        )
    if error.errno == errno.EACCES:
        hint = f"ports below 1024 belong to the system: {option} 8080"
        return EnvironmentFailure(f"not allowed to listen on port {port}", hint=hint)
    return EnvironmentFailure(f"cannot listen on {host}:{port}: {error.strerror or error}", hint="name another --host")


def url(host: str, port: int) -> str:
    """`http://host:port`, with the brackets of IPv6; an address that means "all" as one that can be opened."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def reset_at_close(connection: Any) -> None:
    """Have a connection end with a reset, so that nobody takes what came for the whole.

    `connection`: what a transport has for a socket, or None. Linger on, with no time (SO_LINGER, socket(7)).
    """
    if connection is not None and connection.family != getattr(socket, "AF_UNIX", None):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER, 1, 0))
