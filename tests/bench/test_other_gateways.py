"""The proof on limiters that are not ours: nginx's, right and wrongly declared."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from apigw_cli.bench.proof import Proof
from apigw_cli.errors import Exit
from tests.bench.running import talked

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

# rate=20r/s burst=4 nodelay lets 5 through at once: one that is being served, and four beyond it.
CONFIGURATION = """
worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  limit_req_zone {key} zone=one:1m rate=20r/s;
  limit_req_status 429;
  server {{
    listen 127.0.0.1:{port} reuseport; keepalive_requests 1000000;
    location / {{ limit_req zone=one burst=4 nodelay; empty_gif; }}
  }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def nginx(folder: Path, key: str) -> Iterator[str]:
    assert NGINX is not None
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=folder, key=key, port=port))
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(file)], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def proved(url: str, limit: str) -> tuple[Proof, Exit]:
    result, _ = talked(url, limit=limit, duration="1500ms", concurrency=4, headers=("X-Tenant: loud",))
    return result.limits[0], result.exit_code


def verdicts(proof: Proof) -> dict[str, str]:
    return {check.name: check.verdict for check in proof.checks}


pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def test_nginx_keeps_its_limit_over_its_workers(tmp_path: Path) -> None:
    with nginx(tmp_path, "$http_x_tenant") as url:
        proof, code = proved(url, "20/s burst 5 key=header:X-Tenant")
    assert code == Exit.OK, proof.checks
    assert verdicts(proof) == {
        "never above": "pass",
        "never below": "pass",
        "algorithm": "pass",
        "Retry-After": "n/a",
        "headers": "n/a",
        "isolation": "pass",
        "fairness": "pass",
    }, proof


@pytest.mark.parametrize(
    ("key", "limit", "check"),
    [
        ("$http_x_tenant", "20/s burst 3 key=header:X-Tenant", "never above"),
        ("$http_x_tenant", "12/s burst 5 key=header:X-Tenant", "never above"),
        ("$http_x_tenant", "40/s burst 5 key=header:X-Tenant", "never below"),
        ("$server_port", "20/s burst 5 key=header:X-Tenant", "isolation"),
    ],
    ids=["burst", "rate", "too little", "one bucket for all"],
)
def test_what_nginx_was_not_told_is_found(tmp_path: Path, key: str, limit: str, check: str) -> None:
    with nginx(tmp_path, key) as url:
        proof, code = proved(url, limit)
    assert verdicts(proof)[check] == "fail", proof
    assert code == Exit.BLOCKED
