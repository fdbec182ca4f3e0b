"""The listening sockets. The supervisor owns them, so that none is lost with a worker.

On Linux each worker has a socket of its own on the same address (SO_REUSEPORT): the kernel spreads connections over
them, and those that wait at a killed worker's socket are taken by its successor. Elsewhere all share one socket.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

from apigw_cli.errors import EnvironmentFailure


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
