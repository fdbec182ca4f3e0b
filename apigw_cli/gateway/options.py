"""What `apigw serve` was asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """`port` and `admin_port` 0 pick a free one. `concurrency` is the total in flight over all workers.

    `access_log` is a file's name, "-" for stdout or "off". `in_process`: one worker inside the supervisor, as on
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
    in_process: bool = sys.platform == "win32"
    admin_host: str = "127.0.0.1"
    admin_token_file: Path | None = None
