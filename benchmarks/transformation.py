#!/usr/bin/env python3
"""What `request` adds to a request: its step alone, without sockets, for each kind of change.

    python benchmarks/transformation.py [--rounds 20]

The least time of all rounds counts: on a noisy machine the others hold somebody else's work.
`benchmarks/data_path.py bare headers templates` says what a header from a template costs on the whole way.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Rewrite, Runtime, instance
from apigw_cli.policies.request import POLICY
from apigw_cli.snapshot.model import MockIntegration, Route, Snapshot

JSON = (b"content-type", b"application/json")
SMALL = b'{"id":1,"name":"rex","tags":["dog","brown"]}'
LARGE = json.dumps({"id": 1, "list": [{"id": n, "name": f"pet {n}"} for n in range(300)]}).encode()
CASES: dict[str, tuple[dict[str, Any], bytes]] = {
    "a fixed header": ({"headers": {"set": {"X-A": "one"}}}, b""),
    "a header of one value": ({"headers": {"set": {"X-User": "${auth.principal}"}}}, b""),
    "a header of three values": (
        {"headers": {"set": {"X-A": "${request.method} ${request.header.X-From:-none} ${request.path.id}"}}},
        b"",
    ),
    "a path of a template": ({"path": "/v2/${request.path.id}"}, b""),
    "a prefix": ({"prefix": {"from": "/pets", "to": "/v2/pets"}}, b""),
    "a query parameter set": ({"query": {"set": {"who": "${auth.principal}"}, "remove": ["debug"]}}, b""),
    "a cookie removed": ({"cookies": {"remove": ["session"]}}, b""),
    "a member of a small body set": ({"body": {"set": {"/owner": "${auth.principal}"}}}, SMALL),
    "a member of a body of 9 KiB set": ({"body": {"set": {"/owner": "${auth.principal}"}}}, LARGE),
    "a body made of a small one": (
        {"body": {"json": {"who": "${auth.principal}", "a": "${request.body/tags}"}}},
        SMALL,
    ),
}


@dataclass
class Message:
    """What the step looks at."""

    body: bytes = b""
    id: bytes = b"0a1b2c3d"
    method: bytes = b"POST"
    host: str = "localhost"
    path: str = "/pets/7"
    query: bytes = b"limit=5&debug=1"
    client_ip: str = "192.0.2.1"
    principal: str = "alice"
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [JSON, (b"cookie", b"theme=light; session=1"), (b"x-from", b"shop")]
    )
    extra: list[bytes] = field(default_factory=list)
    remove: set[bytes] = field(default_factory=set)
    rewrite: Rewrite | None = None
    complete: bool = True

    @property
    def has_body(self) -> bool:
        return bool(self.body)

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    def content(self) -> bytes:
        return self.body

    def replace_content(self, data: bytes) -> None:
        """The next call begins with the same body again."""


def measure(step: Any, message: Message, rounds: int) -> float:
    """Microseconds a call, the least of the rounds."""
    calls = max(10, 1_000_000 // (len(message.body) + 500))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            message.extra = []
            step(message)
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    runtime = Runtime(Snapshot(1, "qa", (), (), {}, {}, {}), lambda: 0, NoStore())
    route = Route("pets", "putPet", "POST", "/pets/{id}", (), MockIntegration("spec", ()), {})
    for name, (value, body) in CASES.items():
        step = POLICY.compile(instance(POLICY, value), route, runtime)
        message = Message(body)
        assert step is not None and step(message) is None
        print(f"{name:34} {len(body):7,} bytes {measure(step, message, rounds):8.1f} µs")


if __name__ == "__main__":
    main()
