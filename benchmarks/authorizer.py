"""What asking an authorizer costs the gateway's own core, beside the time that the authorizer takes.

    python benchmarks/authorizer.py

The authorizer is the sample upstream, a process of its own. CPU time of this process alone, for each request.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from apigw_cli.snapshot.schemes import Authorizer
from tests.policies.exchange import Exchange, runtime, step_of

CALLS = 1000


def sent(n: int) -> Exchange:
    token = b"Bearer token-%d" % n
    return Exchange(headers=[(b"host", b"shop"), (b"authorization", token)], path="/v1/pets")


async def cost(url: str, concurrency: int, ttl: float) -> float:
    """Milliseconds of CPU a request."""
    made = runtime(Authorizer("Custom", "bearer", "", url, ttl=ttl, timeout=10.0))
    step = step_of("auth", {"alternatives": [["Custom"]]}, made)

    async def ask(n: int) -> None:
        outcome: Any = step(sent(n))
        assert (await outcome if asyncio.iscoroutine(outcome) else outcome) is None

    async def several(first: int) -> None:
        for n in range(first, CALLS, concurrency):
            await ask(0 if ttl else n)

    await ask(0)
    began = time.process_time()
    await asyncio.gather(*(several(first) for first in range(concurrency)))
    spent = time.process_time() - began
    made.services.close()
    await asyncio.sleep(0.1)
    return spent / CALLS * 1000


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "apigw_cli.cli.app", "upstream", "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"
        for concurrency in (1, 16):
            print(f"{concurrency:>3} at a time, each asked      {asyncio.run(cost(url, concurrency, 0.0)):7.3f} ms")
        print(f"  1 at a time, answer kept     {asyncio.run(cost(url, 1, 60.0)):7.3f} ms")
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
