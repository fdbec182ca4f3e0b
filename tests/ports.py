"""Ports for programs that have to be told one, or that come back on theirs.

A port that was bound to 0, read and closed again is given by the kernel to the next who asks, in a test that runs
beside: these lie below the range that Linux gives from, and each worker of pytest-xdist has a part of its own.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

NOBODY = 1  # tcpmux: no program listens there, and only root could
_FIRST, _COUNT = 20_000, 1_500  # of one worker; eight times as many end below 32,768

_part = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_numbers = itertools.count(random.SystemRandom().randrange(_COUNT))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and nobody else is given."""
    for number in itertools.islice(_numbers, _COUNT):
        port = _FIRST + _part * _COUNT + number % _COUNT
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")
