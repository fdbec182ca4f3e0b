"""The sweep without a URL: our own servers, once where requests wait and once where they compute.

    client, one worker ─▶ apigw serve --workers N ─▶ apigw upstream --workers N
                                                       /io?ms=50   waits: a timer, no CPU
                                                       /cpu?ms=5   computes: CPU time, no waiting

The rows are the servers' workers, the columns what the client has in flight.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from apigw_cli.bench.local import HOST, ports_in, running, when_ready

ENDPOINTS = {"waiting": "/io?ms=50", "computing": "/cpu?ms=5"}
API = "lesson"
_UPSTREAM = re.compile(r"upstream on (http://\S+)")
_OPERATION = {"responses": {"200": {"description": "done"}}}
_SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "The sample upstream's endpoints that wait and compute", "version": "1"},
    "paths": {
        "/io": {"get": {"operationId": "wait", **_OPERATION}},
        "/cpu": {"get": {"operationId": "compute", **_OPERATION}},
    },
}


@contextlib.contextmanager
def servers(workers: int) -> Iterator[str]:
    """Both servers with so many workers each; yields the gateway's base URL. All of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="apigw-sweep-") as folder, contextlib.ExitStack() as stack:
        command = ["upstream", "--host", HOST, "--port", "0", "--workers", str(workers)]
        log = stack.enter_context(running(command, {}, _upstream_is_ready))
        config = _configuration(Path(folder), _upstream_in(log.read_text(encoding="utf-8")))
        command = ["serve", "-c", str(config), "--workers", str(workers), "--host", HOST, "--port", "0"]
        command += ["--admin-port", "0", "--access-log", "off", "--no-watch"]
        log = stack.enter_context(running(command, {}, when_ready(API)))
        yield f"http://{HOST}:{ports_in(log.read_text(encoding='utf-8'), API)[0]}"


def _configuration(folder: Path, upstream: str) -> Path:
    (folder / "lesson.json").write_bytes(msgspec.json.encode(_SPEC))
    config = folder / "apigw.yaml"
    content = {
        "version": 1,
        "apis": {API: {"spec": "lesson.json", "upstream": "sample"}},
        "upstreams": {"sample": {"targets": [upstream]}},
    }
    config.write_bytes(msgspec.json.encode(content))  # JSON is YAML
    return config


def _upstream_in(log: str) -> str:
    found = _UPSTREAM.search(log)
    return found[1] if found else ""


def _upstream_is_ready(log: str) -> bool:
    return bool(_upstream_in(log))
