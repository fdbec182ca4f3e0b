#!/usr/bin/env python3
"""How long the worst bodies that fit into `max_body` keep a worker busy: `validate`'s step alone, without sockets.

    python benchmarks/hostile_bodies.py [--rounds 3] [--json]

Each body is about 1 MiB, the default of `max_body`. The least time of all rounds counts.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import msgspec

from apigw_cli.limits.store import NoStore
from apigw_cli.policies.interface import Runtime
from apigw_cli.policies.validation import POLICY
from apigw_cli.policies.validation.policy import Validate
from apigw_cli.snapshot.model import Api, MockIntegration, Route, Snapshot

SIZE = (1 << 20) - 100


def many(item: bytes) -> bytes:
    return b"[" + b",".join([item] * (SIZE // (len(item) + 1))) + b"]"


FORMS = [{"type": "object", "required": ["k"], "properties": {"k": {"const": i}}} for i in range(20)]
BODIES: dict[str, tuple[dict[str, Any], bytes]] = {
    "numbers, all fine": ({"items": {"type": "integer"}}, many(b"1")),
    "texts for numbers": ({"items": {"type": "integer"}}, many(b'""')),
    "objects that lack 20 properties": ({"items": {"required": [f"p{i}" for i in range(20)]}}, many(b"{}")),
    "lists in lists, 100 deep": ({}, many(b"[" * 98 + b"]" * 98)),
    "empty lists": ({}, many(b"[]")),
    "80,000 names": ({"additionalProperties": False}, json.dumps({str(i): 1 for i in range(80_000)}).encode()),
    "30 properties missing beside a large one": (
        {"required": [f"p{i}" for i in range(30)]},
        b'{"a":' + many(b"{}") + b"}",
    ),
    "of none of 20 forms": ({"items": {"oneOf": FORMS}}, many(b"{}")),
    "of the last of 20 forms": ({"items": {"oneOf": FORMS}}, many(b'{"k":19}')),
    "all the same, to be unique": ({"uniqueItems": True}, many(b"1")),
    "all others, but for the last": ({"uniqueItems": True}, json.dumps([*range(140_000), 7]).encode()),
    "a pattern that looks ahead": ({"items": {"pattern": "(?=.*x)(?=.*y).*z"}}, many(b'"' + b"a" * 512 + b'"')),
    "1e308, of hundredths": ({"items": {"multipleOf": 0.01}}, many(b"1e308")),
}


class Message:
    """A request, as the step sees it."""

    has_body = complete = True
    path, query, method = "/", b"", b"POST"
    headers = ((b"content-type", b"application/json"),)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def header(self, name: bytes) -> bytes | None:
        return dict(self.headers).get(name)

    def content(self) -> bytes:
        return self._body

    def notice(self, what: str, detail: str) -> None:
        """Of no interest here."""


def step_of(schema: dict[str, Any]) -> Any:
    operation = {"operationId": "do", "requestBody": {"content": {"application/json": {"schema": schema}}}}
    document = {"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "paths": {"/": {"post": operation}}}
    route = Route("a", "do", "POST", "/", (), MockIntegration("spec", ()), {})
    api = Api("a", "http", "spec", (), "", "A")
    snapshot = Snapshot(1, "qa", (api,), (route,), {}, {}, {"spec": msgspec.Raw(json.dumps(document).encode())})
    return POLICY.compile(Validate(), route, Runtime(snapshot, lambda: 0, NoStore()))


def milliseconds(schema: dict[str, Any], body: bytes, rounds: int) -> float:
    step = step_of(schema)
    best = float("inf")
    for _ in range(rounds):
        before = time.perf_counter()
        step(Message(body))
        best = min(best, time.perf_counter() - before)
    return best * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {name: round(milliseconds(*one, options.rounds), 1) for name, one in BODIES.items()}
    if options.json:
        print(json.dumps(found))
        return
    for name, taken in found.items():
        print(f"{name:36}{taken:9.1f} ms")


if __name__ == "__main__":
    main()
