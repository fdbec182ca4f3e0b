"""Load made from specifications and configurations, over real sockets, with credentials that a real gateway takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.bench import repeating
from apigw_cli.bench.command import Talk, bench
from apigw_cli.bench.options import Options
from apigw_cli.bench.result import Result
from apigw_cli.cli.app import run
from apigw_cli.errors import ApigwError
from tests.bench.running import talked
from tests.bench.server import OK, Asked, serving
from tests.gateway.program import Gateway

SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "shop", "version": "1"},
    "servers": [{"url": "https://shop.example/v2"}],
    "components": {
        "securitySchemes": {
            "Key": {"type": "apiKey", "in": "query", "name": "key"},
            "Login": {"type": "http", "scheme": "bearer"},
        }
    },
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}],
            "get": {"operationId": "getItem", "security": [{"Key": []}], "responses": {"200": {"description": "ok"}}},
            "head": {"operationId": "headItem", "responses": {"200": {"description": "ok"}}},
        },
        "/items": {
            "post": {
                "operationId": "createItem",
                "security": [{"Login": ["write"]}, {"Key": ["never"], "Login": []}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": {
                    "type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 4}},
                }}}},
                "responses": {"201": {"description": "ok"}},
            },
            "put": {
                "operationId": "putPicture",
                "requestBody": {"required": True, "content": {"image/png": {}}},
                "responses": {"200": {"description": "ok"}},
            },
        },
    },
}  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "shop.json").write_text(json.dumps(SPEC))
    return tmp_path / "shop.json"


def loaded(spec: Path, **options: Any) -> tuple[Result, list[Asked], list[str]]:
    """Against a server that answers everything; what it was asked."""
    asked: list[Asked] = []

    def remember(one: Asked) -> bytes:
        asked.append(one)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" if one.method == "HEAD" else OK

    with serving(remember) as server:
        base = options.pop("base", "")
        result, notes = talked(server.url.rstrip("/") + base, spec=str(spec), **options)
    return result, asked, notes


def test_every_operation_is_asked_with_valid_requests_and_what_cannot_be_is_said(spec: Path) -> None:
    result, asked, notes = loaded(spec, requests=90, concurrency=4, workers=2, api_key="k&1")
    assert (result.statuses, result.errors) == ({"200": 90}, {})
    by_method = {method: [one for one in asked if one.method == method] for method in ("GET", "HEAD", "POST")}
    assert [len(found) for found in by_method.values()] == [30, 30, 30]
    assert all(one.path.startswith("/v2/items/") and one.path.endswith("?key=k%261") for one in by_method["GET"])
    assert len({one.path for one in by_method["GET"]}) > 3
    assert all(len(json.loads(one.body)["name"]) >= 4 for one in by_method["POST"])
    assert {(one.name, one.allowed) for one in result.mix} == {("getItem", 30), ("headItem", 30), ("createItem", 30)}
    assert result.plan.left_out == {"putPicture": "a body of image/png cannot be made up"}
    assert notes[:2] == [
        "left out: putPicture: a body of image/png cannot be made up",
        "no credentials for createItem: give -H, --api-key or --token-key",
    ]


def test_the_seed_decides_and_weights_count(spec: Path) -> None:
    wanted = "3@getItem, POST /items"
    runs = [loaded(spec, requests=40, concurrency=1, operations=wanted, seed=seed, base="/") for seed in (1, 1, 2)]
    paths = [[(one.method, one.path, one.body) for one in asked] for _, asked, _ in runs]
    assert paths[0] == paths[1] != paths[2]
    assert {one.name: one.answered for one in runs[0][0].mix} == {"getItem": 30, "createItem": 10}
    assert all(path.startswith("/items") for _, path, _ in paths[0])  # the URL's own path is in place of the server's


def test_headers_that_were_typed_are_credentials_too(spec: Path) -> None:
    result, asked, notes = loaded(spec, requests=6, operations="createItem", headers=("Authorization: Bearer t",))
    assert len(notes) == 1 and "createItem of" in notes[0]
    assert {one.headers["authorization"] for one in asked} == {"Bearer t"}
    assert result.mix == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"operations": "getitem"}, 'did you mean "getItem"'),
        ({"operations": ","}, "names none"),
        ({"operations": "0@getItem"}, "no weight"),
        ({"operations": "putPicture"}, "no request can be made"),
        ({"data": "x"}, "--data has no meaning beside --spec"),
        ({"operations": "getItem", "verify_limits": True}, "a limit is proved with one request"),
        ({"spec": "/no/such.yaml"}, "such.yaml"),
        ({"spec": None, "api_key": "x"}, "--api-key is for --spec and --operations"),
        ({"token_key": Path("/no/key.json")}, "cannot read /no/key.json"),
    ],
)
def test_what_is_asked_for_wrongly(spec: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ApigwError) as raised:
        talked("http://127.0.0.1:9", **({"spec": str(spec)} | options))
    assert words in f"{raised.value} {raised.value.hint}"


def test_operations_are_repeated_and_compared_too(spec: Path) -> None:
    options = Options(spec=str(spec), operations="getItem,headItem", requests=6, concurrency=2)
    talk = repeating.Talk(lambda text: None, lambda *_: None)
    asked: dict[str, set[str]] = {"old": set(), "new": set()}

    def remember(name: str) -> Callable[[Asked], bytes]:
        def handle(one: Asked) -> bytes:
            asked[name].add(f"{one.method} {one.path}")
            return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + b"ok" * (one.method != "HEAD")

        return handle

    with serving(remember("old")) as old, serving(remember("new")) as new:
        runs = repeating.repeated(replace(options, url=old.url.rstrip("/")), 2, talk).runs
        compared = repeating.against(replace(options, url=new.url.rstrip("/")), old.url.rstrip("/"), 1, 0.05, talk)
    assert [[one.answered for one in run.mix] for run in runs] == [[3, 3], [3, 3]]
    assert asked["old"] == asked["new"] and len(asked["new"]) == 6
    assert (compared.a.runs, compared.b.runs) == (1, 1)


def test_a_specification_alone_does_not_say_whom_to_ask(spec: Path) -> None:
    with pytest.raises(ApigwError, match="--spec needs a URL"):
        bench(Options(spec=str(spec)), Talk(lambda text: None, lambda live: None, lambda plan: None))


CONFIG = """
version: 1
apis:
  shop: {spec: shop.json, mock: true, base_path: /v2, hosts: [shop.localhost]}
auth:
  Key: {keys: {file: keys.yaml}}
  Login: {jwt: {issuer: "https://issuer.test", audience: [shop], jwks: {file: jwks.json}, require: {team: [pets]}}}
"""


@pytest.fixture
def project(spec: Path) -> Path:
    folder = spec.parent
    (folder / "apigw.yaml").write_text(CONFIG)
    (folder / "keys.yaml").write_text(
        "ann: {sha256: c3fe0b469a6d4f19a25fbec114762d2186aa2c22888f52c5550a77fc104bcff3}\n"  # demo-alice
    )
    assert run(["token", "keys", "--dir", str(folder)]) == 0
    return folder / "apigw.yaml"


def test_a_configuration_s_operations_with_its_keys_and_tokens_on_a_gateway_of_its_own(project: Path) -> None:
    notes: list[str] = []
    options = Options(operations="all", config=project, requests=60, concurrency=4)
    result = bench(options, Talk(notes.append, lambda live: None, lambda plan: None))
    assert [line for line in notes if "no credentials" in line] == []
    assert {(one.name, one.allowed) for one in result.mix} == {("getItem", 20), ("headItem", 20), ("createItem", 20)}


def test_a_configuration_s_operations_on_a_gateway_that_runs(project: Path) -> None:
    gateway = Gateway(project.parent, "--workers", "1").ready()
    try:
        url = f"http://127.0.0.1:{gateway.port}"
        named = {"operations": "getItem,createItem", "config": project, "requests": 20, "concurrency": 2}
        right, _ = talked(url, api_key="demo-alice", **named)
        (project.parent / "token-key.json").rename(project.parent / "elsewhere.json")
        wrong, notes = talked(url, api_key="demo-bob", **named)
        named_key, _ = talked(url, token_key=project.parent / "elsewhere.json", **named)
    finally:
        gateway.stop()
    assert right.statuses.keys() <= {"200", "201"} and right.requests.allowed == 20
    assert wrong.statuses == {"401": 20}
    assert "no credentials for createItem" in notes[0]
    assert [(one.allowed, one.failed) for one in named_key.mix] == [(0, 10), (10, 0)]
