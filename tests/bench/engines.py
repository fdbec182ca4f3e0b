"""Gateways that are not ours, with a rate limit each: nginx, haproxy, Envoy. On free ports, until the block ends."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent)) or shutil.which("envoy")

# rate=20r/s burst=4 nodelay lets 5 through at once: one that is being served, and four beyond it.
_NGINX = """
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

# gpc0_rate is the rate of what was let through: of this second, and of the one before by its share that is not over.
# (http_req_rate would count what is refused, too: who asks for too much would be let through never again.)
_HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend limited
  bind 127.0.0.1:{port}
  stick-table type string len 64 size 10k expire 30s store http_req_rate(1s),gpc0,gpc0_rate(1s)
  http-request track-sc0 {key}
  http-request return status 429 content-type text/plain string no if {{ {counter} }}
  http-request sc-inc-gpc0(0)
  http-request return status 200 content-type text/plain string ok
"""
ADMITTED, ASKED = "sc_gpc0_rate(0) ge 20", "sc_http_req_rate(0) gt 20"

_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: all
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: ok}}}}}}]
          http_filters:
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limited
              token_bucket: {{max_tokens: 5, tokens_per_fill: 1, fill_interval: 0.05s}}
              filter_enabled: {{default_value: {{numerator: 100}}}}
              filter_enforced: {{default_value: {{numerator: 100}}}}
              local_rate_limit_per_downstream_connection: {each}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""


@contextmanager
def nginx(folder: Path, key: str) -> Iterator[str]:
    """`limit_req` by `key`: 20/s leaky burst 4."""
    assert NGINX is not None
    port = free_port()
    file = _written(folder / "nginx.conf", _NGINX.format(folder=folder, key=key, port=port))
    with _running([NGINX, "-p", str(folder), "-c", str(file)], port) as url:
        yield url


@contextmanager
def haproxy(folder: Path, key: str = "hdr(x-tenant)", counter: str = ADMITTED) -> Iterator[str]:
    """A stick table by `key`: 20/s in a sliding window, where `counter` is ADMITTED."""
    assert HAPROXY is not None
    port = free_port()
    file = _written(folder / "haproxy.cfg", _HAPROXY.format(key=key, counter=counter, port=port))
    with _running([HAPROXY, "-db", "-q", "-f", str(file)], port) as url:
        yield url


@contextmanager
def envoy(folder: Path, *, each_connection: bool = False) -> Iterator[str]:
    """`local_ratelimit`: 20/s burst 5 for all callers together, over two workers."""
    assert ENVOY is not None
    port = free_port()
    file = _written(folder / "envoy.yaml", _ENVOY.format(port=port, each=str(each_connection).lower()))
    command = [ENVOY, "-c", str(file), "--concurrency", "2", "--use-dynamic-base-id", "-l", "error"]
    with _running(command, port) as url:
        yield url


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


@contextmanager
def _running(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < deadline, f"{command[0]} did not come up"
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.communicate(timeout=20)
