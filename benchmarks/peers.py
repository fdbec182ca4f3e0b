"""The gateways that apigw is raced against: how each is told to do the same work, and started.

The work: requests below `/pets/` go to one upstream over kept connections; each is counted against a limit that is
never reached (by X-Api-Key where the gateway can) and gets an X-Request-Id where the gateway makes one. One
worker or thread each, no log.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RATE = 1_000_000  # requests a second: never reached


@dataclass(frozen=True)
class Peer:
    """`configure` writes its files into a folder for a port and the upstream's; the words after the program follow."""

    name: str
    program: str
    configure: Callable[[Path, int, int], list[str]]
    one_core: tuple[str, ...] = ()  # what stands before the program


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    (folder / "nginx.conf").write_text(f"""
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests {10**9};
  limit_req_zone $http_x_api_key zone=callers:10m rate={RATE}r/s;
  upstream pets {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests {10**9};
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /pets/ {{
      limit_req zone=callers burst={RATE // 10} nodelay;
      proxy_pass http://pets;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
""")
    return ["-e", "stderr", "-c", f"{folder}/nginx.conf"]


def haproxy(folder: Path, port: int, upstream: int) -> list[str]:
    (folder / "haproxy.cfg").write_text(f"""
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
frontend callers
  bind 127.0.0.1:{port}
  option forwardfor
  stick-table type string len 64 size 100k expire 1m store http_req_rate(1s)
  http-request track-sc0 req.hdr(X-Api-Key)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt {RATE} }}
  use_backend pets if {{ path_beg /pets/ }}
backend pets
  http-reuse always
  server first 127.0.0.1:{upstream}
""")
    return ["-f", f"{folder}/haproxy.cfg"]


def envoy(folder: Path, port: int, upstream: int) -> list[str]:
    types = "type.googleapis.com/envoy.extensions.filters"
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {"@type": f"{types}.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit"}
    bucket = {"max_tokens": 10 * RATE, "tokens_per_fill": 10 * RATE, "fill_interval": "1s"}
    route = {
        "match": {"prefix": "/pets/"},
        "route": {"cluster": "pets"},
        "typed_per_filter_config": {
            "envoy.filters.http.local_ratelimit": limit
            | {"token_bucket": bucket, "filter_enabled": always, "filter_enforced": always}
        },
    }
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "generate_request_id": True,
        "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "envoy.filters.http.local_ratelimit", "typed_config": limit},
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}},
        ],
    }

    def socket(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": socket(upstream)}}]}]
    cluster = {"name": "pets", "connect_timeout": "5s"}
    cluster["load_assignment"] = {"cluster_name": "pets", "endpoints": endpoints}  # type: ignore[assignment]
    resources = {
        "listeners": [{"address": socket(port), "filter_chains": [{"filters": filters}]}],
        "clusters": [cluster],
    }
    (folder / "envoy.json").write_text(json.dumps({"static_resources": resources}))
    return ["-c", f"{folder}/envoy.json", "--concurrency", "1", "-l", "error", "--use-dynamic-base-id"]


def traefik(folder: Path, port: int, upstream: int) -> list[str]:
    routes = {
        "routers": {
            "pets": {"rule": "PathPrefix(`/pets/`)", "entryPoints": ["in"], "middlewares": ["limit"], "service": "pets"}
        },
        "middlewares": {
            "limit": {
                "rateLimit": {"average": RATE, "burst": RATE, "sourceCriterion": {"requestHeaderName": "X-Api-Key"}}
            }
        },
        "services": {"pets": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{upstream}"}]}}},
    }
    static = {
        "entryPoints": {"in": {"address": f"127.0.0.1:{port}"}},
        "providers": {"file": {"filename": f"{folder}/routes.yml"}},
        "log": {"level": "ERROR"},
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
    }
    (folder / "routes.yml").write_text(json.dumps({"http": routes}))  # JSON is YAML
    (folder / "traefik.yml").write_text(json.dumps(static))
    return ["--configfile", f"{folder}/traefik.yml"]


def caddy(folder: Path, port: int, upstream: int) -> list[str]:
    """It has no rate limit of its own."""
    (folder / "Caddyfile").write_text(f"""{{
	admin off
	auto_https off
}}
http://127.0.0.1:{port} {{
	handle /pets/* {{
		reverse_proxy 127.0.0.1:{upstream} {{
			header_up X-Request-Id {{http.request.uuid}}
		}}
	}}
}}
""")
    return ["run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]


def ceiling(_: Path, port: int, upstream: int) -> list[str]:
    return [str(Path(__file__).parent / "ceiling.py"), str(port), str(upstream)]


GO = ("env", "GOMAXPROCS=1")
PEERS = {
    peer.name: peer
    for peer in (
        Peer("nginx", "nginx", nginx),
        Peer("haproxy", "haproxy", haproxy),
        Peer("envoy", "envoy", envoy),
        Peer("traefik", "traefik", traefik, GO),
        Peer("caddy", "caddy", caddy, GO),
        Peer("ceiling", sys.executable, ceiling),
    )
}
