"""`--upstream`: the sample upstream, started for each target of the stage that is on this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

from apigw_cli.errors import EnvironmentFailure
from apigw_cli.snapshot.model import Snapshot

_START_SECONDS = 15.0
_STOP_SECONDS = 3.0


def local_targets(snapshot: Snapshot) -> list[tuple[str, int]]:
    """Host and port of each target that is a loopback address."""
    found: dict[tuple[str, int], None] = {}
    for upstream in snapshot.upstreams.values():
        for target in upstream.targets:
            parts = urlsplit(target)
            if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
                found[(parts.hostname or "", parts.port or 80)] = None
    return list(found)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class SampleUpstreams:
    """The processes. They end with this one, however it ends: they hold a pipe from it (`tether`)."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, snapshot: Snapshot) -> None:
        """Start them and wait until they listen. Raises EnvironmentFailure where one does not."""
        targets = local_targets(snapshot)
        if not targets:
            self._say("--upstream: no upstream of this stage is on this machine, so none was started")
        await asyncio.gather(*(self._start(host, port) for host, port in targets))

    async def _start(self, host: str, port: int) -> None:
        if await _listens(host, port):
            self._say(f"--upstream: http://{host}:{port} is there already, so it was not started")
            return
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "apigw_cli.gateway.tether",
            *("apigw_cli.cli.app", "upstream", "--host", host, "--port", str(port)),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the gateway, which still has requests in flight then
        )
        self._processes.append(process)
        deadline = asyncio.get_running_loop().time() + _START_SECONDS
        while not await _listens(host, port):
            if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                hint = f"run it by itself to see why: apigw upstream --host {host} --port {port}"
                raise EnvironmentFailure(f"the sample upstream on {host}:{port} did not start", hint=hint)
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await asyncio.gather(*(_end(process) for process in self._processes))


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
