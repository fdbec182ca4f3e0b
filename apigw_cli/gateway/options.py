"""What `apigw serve` was asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.caching.store import BUDGET
from apigw_cli.errors import UsageError
from apigw_cli.limits.store import CAPACITY

DRAIN_SECONDS = 10.0


def share(text: str) -> float:
    """`10%` or `0.5%` as a number from 0 to 1. Raises UsageError."""
    try:
        percent = float(text.removesuffix("%")) if text.endswith("%") else -1
    except ValueError:
        percent = -1
    if not 0 <= percent <= 100:
        raise UsageError(f"--access-log-sample {text} is no share", hint="write it in percent: 10%, 0.5%")
    return percent / 100


@dataclass(frozen=True, slots=True)
class Options:
    """`port` and `admin_port` 0 pick a free one. `concurrency` is the total in flight over all workers.

    `access_log` is a file's name, "-" for stdout or "off"; `access_log_share` the part of the requests that went well
    which it gets, 0 to 1. `in_process`: one worker inside the supervisor, as on
    systems that hand no sockets to other processes.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    admin_port: int = 8081
    workers: int = 1
    concurrency: int = 4096
    watch: bool = True
    upstream: bool = False
    access_log: str = "-"
    unix_socket: str = ""  # a path to listen on in place of host and port
    in_process: bool = sys.platform == "win32"
    admin_host: str = "127.0.0.1"
    admin_token_file: Path | None = None
    access_log_share: float = 1
    limit_keys: int = CAPACITY  # that the limiter has room for
    cache_memory: int = BUDGET  # bytes of stored answers, over all workers
    test_clock: bool = False  # the admin port moves the limiter's time
