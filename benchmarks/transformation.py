#!/usr/bin/env python3
"""What `request` adds to a request and `response` to an answer: step and filter alone, without sockets.

    python benchmarks/transformation.py [--rounds 20]

The least time of all rounds counts: on a noisy machine the others hold somebody else's work.
`benchmarks/data_path.py bare headers templates answer answer_body` says what they cost on the whole way.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from apigw_cli.limits.store import NoStore
from apigw_cli.policies import request, response
from apigw_cli.policies.answer_filter import AnswerFilter, Head, Held
from apigw_cli.policies.interface import Rewrite, Runtime, Step, instance
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

ANSWERS: dict[str, tuple[dict[str, Any], bytes]] = {
    "a fixed header": ({"headers": {"set": {"X-A": "one"}}}, SMALL),
    "a header removed, one of a value": (
        {"headers": {"remove": ["Server"], "set": {"X-User": "${auth.principal}"}}},
        SMALL,
    ),
    "another status": ({"status": {"200": 202}}, SMALL),
    "a header of a small body": ({"headers": {"set": {"X-Id": "${response.body/id}"}}}, SMALL),
    "a member of a small body removed": ({"body": {"remove": ["/tags"]}}, SMALL),
    "a member of a body of 9 KiB removed": ({"body": {"remove": ["/id"]}}, LARGE),
    "a body of JSON made of a small one": (
        {"body": {"json": {"by": "${auth.principal}", "data": "${response.body}"}}},
        SMALL,
    ),
    "XML made of a small one": (
        {"body": {"text": "<pet id='${response.body/id}'>${response.body/name}</pet>", "type": "application/xml"}},
        SMALL,
    ),
}
LINES = [
    b"Date: Sun, 22 Nov 2026 10:45:10 GMT\r\n",
    b"Server: nginx\r\n",
    b"Content-Type: application/json\r\n",
    b'ETag: "7"\r\n',
]


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


def measure(call: Callable[[], object], size: int, rounds: int) -> float:
    """Microseconds a call, the least of the rounds."""
    calls = max(10, 1_000_000 // (size + 500))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def changing(step: Step, message: Message) -> Callable[[], object]:
    def call() -> object:
        message.extra = []
        return step(message)

    return call


def answering(through: AnswerFilter, message: Message, body: bytes) -> Callable[[], object]:
    head = Head(200, b"OK", LINES, len(body))

    def call() -> object:
        outcome = through(message, head)
        return outcome.decide(body) if isinstance(outcome, Held) else outcome

    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    runtime = Runtime(Snapshot(1, "qa", (), (), {}, {}, {}), lambda: 0, NoStore())
    route = Route("pets", "putPet", "POST", "/pets/{id}", (), MockIntegration("spec", ()), {})
    for name, (value, body) in CASES.items():
        step = request.POLICY.compile(instance(request.POLICY, value), route, runtime)
        message = Message(body)
        assert step is not None
        assert step(message) is None
        print(f"request   {name:34} {len(body):7,} bytes {measure(changing(step, message), len(body), rounds):8.1f} µs")
    for name, (value, body) in ANSWERS.items():
        through = response.POLICY.filter(instance(response.POLICY, value), route, runtime)
        assert through is not None
        cost = measure(answering(through, Message(), body), len(body), rounds)
        print(f"response  {name:34} {len(body):7,} bytes {cost:8.1f} µs")


if __name__ == "__main__":
    main()
