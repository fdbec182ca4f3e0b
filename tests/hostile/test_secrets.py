"""A canary in every place of a request and of an answer: no log, metric, page or refusal ever repeats it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import KEYS
from tests.gateway.program import Gateway
from tests.gateway.scripted import Scripted, answer
from tests.gateway.wire import Answer, Wire

CANARY = "canary-8c1f0ad2"
BASIC = base64.b64encode(f"user:{CANARY}".encode()).decode()

BODY = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer"},
        "password": {"type": "string", "maxLength": 3, "pattern": "^(?!c)", "format": "date"},
        "one": {"oneOf": [{"const": 1}, {"enum": [2, 3]}, {"type": "object", "additionalProperties": False}]},
        "list": {"type": "array", "uniqueItems": True, "contains": {"const": 1}, "items": {"not": {"type": "string"}}},
    },
}
OPERATION = {
    "parameters": [
        {"name": "X-Token", "in": "header", "schema": {"type": "integer"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string", "maxLength": 3}},
    ],
    "requestBody": {
        "content": {
            "application/json": {"schema": BODY},
            "application/x-www-form-urlencoded": {"schema": BODY},
            "multipart/form-data": {"schema": BODY},
            "text/plain": {"schema": {"type": "string", "enum": ["a"]}},
        }
    },
    "responses": {
        "200": {
            "description": "ok",
            "headers": {"X-Answer": {"schema": {"type": "integer"}}},
            "content": {"application/json": {"schema": BODY}},
        }
    },
}
SECURED = {"security": [{"Key": []}, {"Query": []}]}
VALIDATE = {
    "enforced": {"request": "enforce", "response": "enforce"},
    "reported": {"request": "report", "response": "report"},
    "answers": {"request": "off", "response": "enforce"},
}
SPEC = {
    "openapi": "3.1.0",
    "info": {"title": "A", "version": "1"},
    "components": {
        "securitySchemes": {
            "Key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            "Query": {"type": "apiKey", "in": "query", "name": "api_key"},
        }
    },
    "paths": {
        **{
            f"/{name}": {"post": {"operationId": name, **OPERATION, "x-apigw": {"validate": setting}}}
            for name, setting in VALIDATE.items()
        },
        "/keyed": {"post": {"operationId": "keyed", **SECURED, "responses": {"200": {"description": "ok"}}}},
        "/changed": {
            "post": {
                "operationId": "changed",
                **OPERATION,
                "x-apigw": {"request": {"body": {"set": {"/a/b": "${request.header.X-Token}"}}}},
            }
        },
    },
}
CONFIG = """\
version: 1
apis:
  any:
    spec: spec.yaml
    hosts: [localhost]
    upstream: server
    defaults: {request_headers: {set: {Authorization: "Bearer CANARY"}}, response: {headers: {set: {X-Secret: CANARY}}}}
upstreams: {server: {targets: ["URL"]}}
auth: {Key: {keys: {file: keys.yaml}}, Query: {keys: {file: keys.yaml}}}
"""
ANSWER = json.dumps({"n": CANARY, "password": CANARY, "one": CANARY, "list": [CANARY, CANARY]}).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Answer: {CANARY}\r\n"
    with Scripted(answer(f"{head}Content-Length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER)) as server:
        folder = tmp_path_factory.mktemp("canary")
        (folder / "spec.yaml").write_text(json.dumps(SPEC))
        (folder / "keys.yaml").write_text(KEYS)
        (folder / "apigw.yaml").write_text(CONFIG.replace("URL", server.url).replace("CANARY", CANARY))
        one = Gateway(folder, "--workers", "1")
        yield one.ready()
        one.stop()


def is_free(text: str) -> bool:
    return CANARY not in text and BASIC not in text


PART = f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{CANARY}\r\n--b--\r\n'
BODIES = {
    "JSON": ("application/json", ANSWER),
    "JSON that breaks off": ("application/json", ANSWER[:-3]),
    "JSON that is none": ("application/json", CANARY.encode()),
    "a name twice": ("application/json", f'{{"n":"{CANARY}","n":"{CANARY}"}}'.encode()),
    "a form": ("application/x-www-form-urlencoded", f"password={CANARY}&n={CANARY}&n={CANARY}".encode()),
    "a form that is none": ("application/x-www-form-urlencoded", f"password={CANARY}%ff".encode()),
    "parts": ("multipart/form-data; boundary=b", PART.encode()),
    "parts that are none": ("multipart/form-data; boundary=c", PART.encode()),
    "a text": ("text/plain", CANARY.encode()),
    "another type": ("image/png", CANARY.encode()),
    "a type with a value": (f"application/json; charset={CANARY}", b"{}"),
    "a coding with a value": ("application/json\r\nContent-Encoding: gzip", CANARY.encode()),
}
WHO = f"Authorization: Basic {BASIC}\r\nX-Token: {CANARY}\r\nCookie: session={CANARY}\r\nX-Api-Key: {CANARY}\r\n"


def post(gateway: Gateway, path: str, kind: str, body: bytes) -> Answer:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{WHO}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with Wire(gateway.port) as wire:
        return wire.send(head.encode() + body).answer()


@pytest.mark.parametrize(
    "path", ["/enforced", "/reported", "/answers", "/keyed", f"/keyed?api_key={CANARY}", "/changed"]
)
@pytest.mark.parametrize("name", BODIES)
def test_requests(gateway: Gateway, path: str, name: str) -> None:
    got = post(gateway, path, *BODIES[name])
    if got.status != 200:  # what the upstream says is for the client; what the gateway says has nothing of it
        assert is_free(got.body.decode())
        assert got.header("content-type") in ("application/json", "application/problem+json")
    if path != "/changed":
        assert (got.status == 200) == (path == "/reported"), got


def test_logs_metrics_and_pages(gateway: Gateway) -> None:
    """After all of these; and there is something in each of them."""
    post(gateway, "/reported", *BODIES["JSON"])
    line = gateway.log_line(path="/reported", status=200)
    assert any("password" in one for one in line["noticed"])
    assert is_free(gateway.log.read_text()) and "invalid_answer" in gateway.log.read_text()
    assert is_free("\n".join(gateway.lines))
    pages = json.loads(gateway.admin("/")[1])["pages"]
    assert "/snapshot" in pages and "/metrics" in pages
    for page in pages:
        assert is_free(gateway.admin(page)[1]), page


def test_commands(gateway: Gateway) -> None:
    for words in (
        ("explain", "POST", "/keyed", "--host", "localhost", "-H", f"X-Api-Key: {CANARY}", "--format", "json"),
        ("explain", "POST", "/keyed", "--host", "localhost", "-H", f"X-Api-Key: {CANARY}"),
        ("explain", "POST", f"/keyed?api_key={CANARY}", "--host", "localhost", "-H", f"Authorization: Basic {BASIC}"),
        ("explain", "POST", "/changed", "--host", "localhost", "-H", f"X-Token: {CANARY}", "-d", "{}"),
        ("explain", "POST", "/changed", "--host", "localhost", "-d", f'{{"password": "{CANARY}"}}', "--format", "json"),
        ("explain", "POST", "/enforced", "--host", "localhost", "-H", f"Cookie: a={CANARY}", "-d", f'"{CANARY}"'),
    ):
        command = [sys.executable, "-m", "apigw_cli.cli.app", *words]
        done = subprocess.run(command, cwd=gateway.folder, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in (0, 4) and done.stdout and is_free(done.stdout + done.stderr), done
