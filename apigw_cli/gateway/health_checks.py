"""Active health checks: each worker asks every target from time to time whether it is well.

Each worker checks by itself: what counts is whether *it* reaches a target, nobody has to be told, and a worker that
dies takes no knowledge along that others need. The price is one small request per worker, target and interval.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from apigw_cli.integrations.balance import Target
from apigw_cli.integrations.health import Health
from apigw_cli.integrations.trouble import Failure, failure, of_error
from apigw_cli.snapshot.model import HealthCheck

if TYPE_CHECKING:
    from apigw_cli.gateway.tls import Secure

PASSED = 0
_LINE_MAXIMUM = 4096  # bytes of an answer's first line
_JITTER = 0.1  # share of the interval by which checks are spread, so that workers do not ask in step


class HealthChecks:
    """The checks of one target, from `start` to `stop`. `changed` hears of every change of `health.up`."""

    def __init__(
        self,
        target: Target,
        how: HealthCheck,
        changed: Callable[[Target, bool, int], None],
        secure: Secure | None = None,
    ) -> None:
        self.health = Health(how.healthy_after, how.unhealthy_after)
        self._target = target
        self._how = how
        self._changed = changed
        self._secure = secure
        self._found = failure(Failure.UNKNOWN)  # by the last check that failed
        self._task: asyncio.Task[None] | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def move(self, target: Target, changed: Callable[[Target, bool, int], None]) -> None:
        """Go on for another configuration's object of the same target; it learns at once what is known."""
        self._target, self._changed = target, changed
        if not self.health.up:
            changed(target, False, self._found)

    async def _run(self) -> None:
        while True:
            found = await probe(self._target.url, self._how.path, self._how.timeout, self._secure)
            self._found = found or self._found
            if self.health.record(found == PASSED):
                self._changed(self._target, self.health.up, self._found)
            await asyncio.sleep(self._how.every * random.uniform(1 - _JITTER, 1 + _JITTER))


async def probe(url: str, path: str, seconds: float, secure: Secure | None = None) -> int:
    """`PASSED` where `GET path` on a connection of its own is answered with 2xx or 3xx within `seconds`, else why not.

    `secure`: how to speak TLS to an https:// target, as requests do.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(seconds):
            tls = secure if parts.scheme == "https" else None
            port = parts.port or (443 if tls is not None else 80)
            reader, writer = await asyncio.open_connection(
                parts.hostname,
                port,
                limit=_LINE_MAXIMUM,
                ssl=tls.context if tls is not None else None,
                server_hostname=(tls.server_name or parts.hostname) if tls is not None else None,
            )
            try:
                authority = parts.netloc.rpartition("@")[2]
                head = (
                    f"GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: apigw-health\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode("ascii"))
                return _judge(await reader.readuntil(b"\n"))
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return failure(Failure.LATE)
    except asyncio.IncompleteReadError:
        return failure(Failure.CLOSED)
    except asyncio.LimitOverrunError:
        return failure(Failure.INVALID)
    except ssl.SSLCertVerificationError:
        return failure(Failure.UNPROVEN)
    except ssl.SSLError:
        return failure(Failure.TLS)
    except (socket.gaierror, UnicodeError):
        return failure(Failure.NAME)
    except OSError as error:
        return of_error(error)


def _judge(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    status = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit():
        return failure(Failure.INVALID)
    return PASSED if b"200" <= status < b"400" else failure(Failure.STATUS, int(status))
