#!/usr/bin/env python3
"""What `validate` adds to a request and to an answer: its step and its filter alone, without sockets.

A request has a path parameter, a query and a JSON body; an answer a JSON body, reported or held.

    python benchmarks/validation.py [--rounds 20]

The least time of all rounds counts: on a noisy machine the others hold somebody else's work.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from apigw_cli.limits.store import NoStore
from apigw_cli.policies.answer_filter import Flowing, Head, Held
from apigw_cli.policies.interface import Refusal, Runtime
from apigw_cli.policies.validation import POLICY
from apigw_cli.policies.validation.policy import Validate
from apigw_cli.snapshot.model import Api, MockIntegration, Route, Snapshot

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "format": "int32"},
        "name": {"type": "string", "maxLength": 50},
        "tags": {"type": "array", "items": {"type": "string"}},
        "friends": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
    },
}
OPERATION = {
    "operationId": "putPet",
    "parameters": [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
        {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
    ],
    "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}},
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {"/pets/{id}": {"put": OPERATION}},
    "components": {"schemas": {"Pet": PET}},
}


@dataclass
class Message:
    """What the step looks at."""

    path: str = "/pets/7"
    query: bytes = b""
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"application/json")])
    complete: bool = True
    method: bytes = b"PUT"
    reason: str = ""

    @property
    def has_body(self) -> bool:
        return bool(self.body)

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    def content(self) -> bytes:
        return self.body

    def notice(self, what: str, detail: str) -> None:
        """Of no interest here."""


def friends(count: int) -> bytes:
    pets = [{"id": n, "name": f"pet {n}", "tags": ["a", "b"]} for n in range(count)]
    return json.dumps({"id": 1, "name": "rex", "friends": pets}).encode()


CASES = {
    "small body": (b"", b'{"id":1,"name":"rex","tags":["dog","brown"]}', True),
    "small body, query of two": (b"limit=5&tags=a", b'{"id":1,"name":"rex","tags":["dog","brown"]}', True),
    "body of 1 KiB": (b"", friends(20), True),
    "body of 100 KiB": (b"", friends(2000), True),
    "small body that does not fit": (b"", b'{"id":"x","tags":[1]}', False),
}


ANSWERS = {"small answer": friends(0), "answer of 1 KiB": friends(20), "answer of 100 KiB": friends(2000)}


def made() -> tuple[Route, Runtime]:
    route = Route("pets", "putPet", "PUT", "/pets/{id}", (), MockIntegration("spec", ()), {})
    api = Api("pets", "http", "spec", (), "", "Pets")
    snapshot = Snapshot(1, "qa", (api,), (route,), {}, {}, {"spec": msgspec.Raw(json.dumps(SPEC).encode())})
    return route, Runtime(snapshot, lambda: 0, NoStore())


def answered(level: str, body: bytes) -> Callable[[Message], Any]:
    """What passes an answer with this body through the filter."""
    look = POLICY.filter(Validate(response=level), *made())  # type: ignore[arg-type]
    head = Head(200, b"OK", [b"Content-Type: application/json\r\n"], len(body))
    assert look is not None

    def through(message: Message) -> Any:
        outcome = look(message, head)
        if isinstance(outcome, Flowing):
            return outcome.body.part(body) + outcome.body.end()
        assert isinstance(outcome, Held)
        return outcome.decide(body)[1]

    return through


def measure(check: Any, message: Message, rounds: int) -> float:
    """Microseconds a call, the least of the rounds."""
    calls = max(10, 1_000_000 // (len(message.body) + 1000))
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(calls):
            check(message)
        best = min(best, (time.perf_counter() - started) / calls)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    check = POLICY.compile(Validate(), *made())
    assert check is not None
    for name, (query, body, fits) in CASES.items():
        message = Message(query=query, body=body)
        assert (check(message) is None) == fits and (fits or isinstance(check(message), Refusal))
        print(f"{name:32} {len(body):8,} bytes {measure(check, message, rounds):9.1f} µs")
    for name, body in ANSWERS.items():
        for level in ("report", "enforce"):
            through = answered(level, body)
            assert through(Message(body=body)) == body
            took = measure(through, Message(body=body), rounds)
            print(f"{f'{name}, {level}':32} {len(body):8,} bytes {took:9.1f} µs")


if __name__ == "__main__":
    main()
