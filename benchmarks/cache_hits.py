#!/usr/bin/env python3
"""Answers out of the cache: apigw's policy `cache` beside nginx's proxy_cache (memory-backed folder), one core each.

    python benchmarks/cache_hits.py --rounds 5 --seconds 3

Every answer but the first comes out of the cache; the origin and the load generator (wrk) are on CPU 1, the caches on
CPU 0, all of them run all the time and are asked in turn. `uncached` is apigw without the policy, in front of the same
origin: what a hit saves. Prints requests a second, the median over the rounds and its share of nginx's, for a small
answer and for one of 64 KiB. nginx and wrk are in Debian. With `--workers N` each cache has so many, all on CPU 0: what
sharing the store costs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from running import APIGW, find, free_port, need, running, until_listening

CACHE_CPU, LOAD_CPU = 0, 1
SIZES = {"small": 54, "64KiB": 65536}
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")


def main() -> None:
    options = _options()
    need("nginx", "wrk")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ports = _start(folder, stack, options.workers)
        for size in SIZES:
            rounds: dict[str, list[float]] = {who: [] for who in ports}
            for port in ports.values():  # fill
                _rate(port, size, 1)
            for _ in range(options.rounds):
                for who, port in ports.items():
                    rounds[who].append(_rate(port, size, options.seconds))
            nginx = statistics.median(rounds["nginx"])
            for who, found in rounds.items():
                rate = statistics.median(found)
                print(f"{size:6} {who:9} {rate:9,.0f} requests/s  {rate / nginx:.2f} of nginx")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def _start(folder: Path, stack: contextlib.ExitStack, workers: int) -> dict[str, int]:
    origin, nginx, cached, uncached = (free_port() for _ in range(4))
    (folder / "files").mkdir()
    (folder / "files").chmod(0o755)
    folder.chmod(0o755)
    for size, length in SIZES.items():
        (folder / "files" / size).write_bytes(b"x" * length)
    started = [
        (_nginx(folder, "origin", _origin(folder, origin), 1), origin, LOAD_CPU),
        (_nginx(folder, "nginx", _proxy_cache(folder, nginx, origin), workers), nginx, CACHE_CPU),
        (_apigw(folder, "cached", cached, origin, {"cache": {}}, workers), cached, CACHE_CPU),
        (_apigw(folder, "uncached", uncached, origin, {}, workers), uncached, CACHE_CPU),
    ]
    for number, (command, port, cpu) in enumerate(started):
        log = folder / f"{number}.log"
        if not until_listening(port, stack.enter_context(running(command, log, cpu))):
            sys.exit(log.read_text())
    return {"nginx": nginx, "cached": cached, "uncached": uncached}


def _nginx(folder: Path, name: str, inside: str, workers: int) -> list[str]:
    (folder / f"{name}.conf").write_text(
        f"user root;\ndaemon off;\nworker_processes {workers};\npid {folder}/{name}.pid;\nerror_log stderr;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{\naccess_log off;\nkeepalive_requests {10**9};\n{inside}\n}}\n"
    )
    return [find("nginx") or "nginx", "-e", "stderr", "-c", str(folder / f"{name}.conf")]


def _origin(folder: Path, port: int) -> str:
    files = f'root {folder}/files; add_header Cache-Control "max-age=3600";'
    return f"server {{ listen 127.0.0.1:{port} backlog=4096; {files} }}"


def _proxy_cache(folder: Path, port: int, origin: int) -> str:
    return f"""proxy_cache_path {folder}/store keys_zone=answers:10m max_size=64m;
upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
server {{
  listen 127.0.0.1:{port} backlog=4096;
  location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_cache answers;
    add_header X-Request-Id $request_id; add_header X-Cache $upstream_cache_status; }}
}}"""


def _apigw(folder: Path, name: str, port: int, origin: int, policies: dict[str, object], workers: int) -> list[str]:
    home = folder / name
    home.mkdir()
    operation = {"get": {"operationId": "read", "responses": {"200": {"description": "ok"}}}}
    path = {"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}], **operation}
    document = {"openapi": "3.1.0", "info": {"title": "Files", "version": "1"}, "paths": {"/{name}": path}}
    (home / "files.json").write_text(json.dumps(document))
    config = {
        "version": 1,
        "apis": {"files": {"spec": "files.json", "upstream": "origin", "defaults": policies}},
        "upstreams": {"origin": {"targets": [f"http://127.0.0.1:{origin}"]}},
    }
    (home / "apigw.yaml").write_text(json.dumps(config))
    words = ["serve", "-c", str(home / "apigw.yaml"), "--port", str(port), "--admin-port", "0"]
    return [*APIGW, *words, "--access-log", "off", "--no-watch", "--workers", str(workers)]


def _rate(port: int, size: str, seconds: int) -> float:
    load = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{port}/{size}"]
    said = subprocess.run(load, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in said:
        sys.exit(said)
    return float(_RATE.findall(said)[0])


if __name__ == "__main__":
    main()
