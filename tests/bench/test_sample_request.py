"""Requests made from a specification: what a route asks for is there, with a fresh key where one is wanted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.bench import declared, local
from apigw_cli.bench.operation_request import Sample
from apigw_cli.bench.sample_request import sample_request
from apigw_cli.config import project
from apigw_cli.errors import UsageError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project

SPECS = Path(__file__).parents[2] / "specs"


def compiled_with(folder: Path, operation: dict[str, Any], path: str = "/things", **more: Any) -> Compiled:
    """A project whose only operation is POST `path`."""
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, **more}
    document["paths"] = {
        path: {"post": {"operationId": "op", "responses": {"200": {"description": "ok"}}, **operation}}
    }
    (folder / "spec.json").write_text(json.dumps(document))
    return compile_project(project.from_spec(folder / "spec.json"), None, POLICIES)


def sample_of(compiled: Compiled) -> Sample:
    return sample_request(compiled.snapshot, declared.named(compiled.snapshot.routes, "qa", "op"))


def test_path_variables_come_from_examples_and_schemas(tmp_path: Path) -> None:
    parameters = [
        {"name": "a", "in": "path", "required": True, "example": "x y/z"},
        {"name": "b", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 5}},
        {"name": "c", "in": "path", "required": True, "schema": {"type": "string", "enum": ["red", "blue"]}},
        {"name": "d", "in": "path", "required": True, "schema": {"type": "integer"}},
    ]
    found = sample_of(compiled_with(tmp_path, {"parameters": parameters}, "/t/{a}/{b}-{c}/{d}"))
    assert found.path == "/t/x%20y%2Fz/5-red/1"


def test_required_query_values_and_headers_are_sent_and_optional_ones_are_not(tmp_path: Path) -> None:
    parameters = [
        {"name": "q", "in": "query", "required": True, "schema": {"type": "array", "items": {"type": "string"}},
         "examples": {"two": {"value": ["a", "b&c"]}}},
        {"name": "flag", "in": "query", "required": True, "schema": {"type": "boolean"}},
        {"name": "page", "in": "query", "schema": {"type": "integer"}},
        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string", "const": "acme"}},
    ]  # fmt: skip
    found = sample_of(compiled_with(tmp_path, {"parameters": parameters}))
    assert found.path == "/things?q=a%2Cb%26c&flag=true"
    assert found.headers == (("X-Tenant", "acme"),)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ({"example": {"a": 1}}, {"a": 1}),
        ({"examples": {"one": {"value": [1, 2]}}}, [1, 2]),
        ({"schema": {"$ref": "#/components/schemas/Thing"}}, {"size": 3, "name": "string"}),
    ],
)
def test_bodies_come_from_examples_and_schemas(tmp_path: Path, media: dict[str, Any], body: object) -> None:
    thing = {"type": "object", "properties": {"size": {"type": "integer", "minimum": 3}, "name": {"type": "string"}}}
    content = {"application/json; charset=utf-8": media}
    found = sample_of(
        compiled_with(tmp_path, {"requestBody": {"content": content}}, components={"schemas": {"Thing": thing}})
    )
    assert json.loads(found.body) == body
    assert found.headers == (("Content-Type", "application/json; charset=utf-8"),)


def test_a_body_that_cannot_be_made_up_is_said_so(tmp_path: Path) -> None:
    body = {"required": True, "content": {"image/png": {}}}
    with pytest.raises(UsageError, match="image/png"):
        sample_of(compiled_with(tmp_path, {"requestBody": body}))
    assert sample_of(compiled_with(tmp_path, {"requestBody": {**body, "required": False}})).body == b""


@pytest.mark.parametrize("operation", ["listPets", "createPet", "listMyPets", "getPet", "deletePet", "shopHours"])
def test_every_route_of_the_sample_reaches_itself_with_a_key_that_only_its_gateway_knows(operation: str) -> None:
    compiled = compile_project(project.load(SPECS / "apigw.yaml"), None, POLICIES)
    route = declared.named(compiled.snapshot.routes, "qa", operation)
    known = local.credentials(compiled.snapshot, route)
    request = local.request_for(route, sample_request(compiled.snapshot, route), known, 8123)
    assert declared.route_hit(compiled.snapshot.routes, "qa", request) == route
    headers = dict(request.headers)
    if operation == "shopHours":
        assert "X-Api-Key" not in headers
    else:
        assert hashlib.sha256(headers["X-Api-Key"].encode()).hexdigest() == known.digest
    assert request.encode().startswith(f"{route.method} ".encode())


def test_keys_are_different_every_time() -> None:
    compiled = compile_project(project.load(SPECS / "apigw.yaml"), None, POLICIES)
    route = declared.named(compiled.snapshot.routes, "qa", "getPet")
    assert local.credentials(compiled.snapshot, route) != local.credentials(compiled.snapshot, route)


def test_ports_are_read_from_what_the_gateway_prints() -> None:
    banner = (
        "apigw 0.1.0  stage qa (working files)  2 workers, 4,096 in flight\n"
        "  shop      http  http://a.localhost:1/v1           2 routes\n"
        "  petstore  http  http://api.petshop.localhost:43587/v1     6 routes\n"
    )
    assert local.ports_in(banner, "petstore") == []
    assert local.ports_in(banner + "  admin     http  http://127.0.0.1:8081  metrics\n", "petstore") == [43587, 8081]


def test_a_gateway_needs_the_sample_upstream_only_where_nobody_listens(tmp_path: Path) -> None:
    import shutil
    import socket

    shutil.copytree(SPECS, tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        stage = tmp_path / "s" / "stages" / "qa.yaml"
        stage.write_text(stage.read_text().replace("9001", str(upstream.getsockname()[1])))
        compiled = compile_project(project.load(tmp_path / "s" / "apigw.yaml"), "qa", POLICIES)
        route = declared.named(compiled.snapshot.routes, "qa", "getPet")
        assert not local.needs_upstream(compiled.snapshot, route)
    assert local.needs_upstream(compiled.snapshot, route)
    stage.write_text('variables: {pets_url: "http://upstream.invalid:80"}\n')
    elsewhere = compile_project(project.load(tmp_path / "s" / "apigw.yaml"), "qa", POLICIES)
    with pytest.raises(UsageError, match="cannot be reached"):
        local.needs_upstream(elsewhere.snapshot, route)
