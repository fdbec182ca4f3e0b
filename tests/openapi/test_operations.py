"""What an OpenAPI document offers, in every version."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_cli.errors import InputError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library


def library_of(data: Any) -> tuple[Document, Library]:
    library = Library.of({"f": data})
    return library.read("f"), library


def listed(data: Any) -> list[tuple[str, str, str]]:
    document, library = library_of(data)
    return [(each.method, each.path, each.name) for each in openapi.operations(document, library)]


@pytest.mark.parametrize(
    ("data", "version"),
    [
        ({"swagger": "2.0"}, "2.0"),
        ({"openapi": "3.0.3"}, "3.0"),
        ({"openapi": "3.1.1-rc1"}, "3.1"),
        ({"openapi": "3.2.0"}, "3.2"),
    ],
)
def test_versions(data: Any, version: str) -> None:
    assert openapi.version(library_of(data)[0]) == version


@pytest.mark.parametrize("data", [{}, [], None, "x", {"openapi": "4.0.0"}, {"swagger": 1.2}, {"openapi": None}])
def test_what_is_no_openapi_document(data: Any) -> None:
    with pytest.raises(InputError):
        openapi.version(library_of(data)[0])


METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]


@pytest.mark.parametrize("root", [{"swagger": "2.0"}, {"openapi": "3.0.0"}, {"openapi": "3.1.0"}])
def test_operations_of_every_method(root: dict[str, str]) -> None:
    item = {method: {} for method in [*METHODS, "query", "x-get", "parameters"]}
    found = listed({**root, "paths": {"/a": item, "x-b": {"get": {}}, "/c": None}})
    assert found == [(method.upper(), "/a", f"{method.upper()} /a") for method in METHODS]


def test_operations_of_3_2() -> None:
    item = {"query": {"operationId": "q"}, "additionalOperations": {"COPY": {}, "Link": {"operationId": "l"}, "X": 5}}
    assert listed({"openapi": "3.2.0", "paths": {"/a": item}}) == [
        ("QUERY", "/a", "q"),
        ("COPY", "/a", "COPY /a"),
        ("Link", "/a", "l"),
    ]


def test_a_path_item_behind_a_reference() -> None:
    data = {
        "openapi": "3.1.0",
        "paths": {"/a": {"$ref": "#/components/pathItems/A"}},
        "components": {"pathItems": {"A": {"get": {}}}},
    }
    document, library = library_of(data)
    (operation,) = openapi.operations(document, library)
    assert operation.node.path == ("components", "pathItems", "A", "get") and operation.path == "/a"


def test_an_operations_own_parameters_replace_those_of_its_path() -> None:
    data = {
        "openapi": "3.0.0",
        "paths": {
            "/a": {
                "parameters": [{"in": "query", "name": "x", "description": "shared"}, {"in": "header", "name": "x"}],
                "get": {"parameters": [{"$ref": "#/components/parameters/X"}, None]},
            }
        },
        "components": {"parameters": {"X": {"in": "query", "name": "x", "description": "own"}}},
    }
    document, library = library_of(data)
    (operation,) = openapi.operations(document, library)
    found = [(node.data["in"], node.data.get("description")) for node in openapi.parameters(operation, library)]
    assert found == [("query", "own"), ("header", None)]


@pytest.mark.parametrize(
    ("data", "base"),
    [
        ({"swagger": "2.0", "basePath": "/v1/"}, "/v1"),
        ({"swagger": "2.0"}, ""),
        ({"openapi": "3.0.0"}, ""),
        ({"openapi": "3.0.0", "servers": []}, ""),
        ({"openapi": "3.0.0", "servers": [{"url": "https://h.example/v1/"}, {"url": "/v2"}]}, "/v1"),
        ({"openapi": "3.0.0", "servers": [{"url": "/"}]}, ""),
        (
            {"openapi": "3.0.0", "servers": [{"url": "https://{h}/{v}", "variables": {"v": {"default": "v3"}}}]},
            "/v3",
        ),
    ],
)
def test_base_paths(data: Any, base: str) -> None:
    assert openapi.base_path(library_of(data)[0]) == base


def test_a_server_url_that_is_none() -> None:
    with pytest.raises(InputError, match="server URL"):
        openapi.base_path(library_of({"openapi": "3.0.0", "servers": [{"url": "http://[::1"}]})[0])


def test_security_of_the_operation_goes_before_that_of_the_root() -> None:
    data = {
        "openapi": "3.0.0",
        "security": [{"a": []}],
        "paths": {"/a": {"get": {}, "put": {"security": [{"b": []}, {}]}, "post": {"security": []}}},
    }
    document, library = library_of(data)
    found = {each.method: openapi.security(document, each) for each in openapi.operations(document, library)}
    assert found["GET"] == ([{"a": []}], ("security",))
    assert found["PUT"] == ([{"b": []}, {}], ("paths", "/a", "put", "security"))
    assert found["POST"] == ([], ("paths", "/a", "post", "security"))


@pytest.mark.parametrize(
    "data",
    [
        {"swagger": "2.0", "securityDefinitions": {"k": {"type": "apiKey"}}},
        {"openapi": "3.0.0", "components": {"securitySchemes": {"k": {"$ref": "#/x"}}}, "x": {"type": "apiKey"}},
    ],
)
def test_security_schemes(data: Any) -> None:
    document, library = library_of(data)
    assert openapi.security_schemes(document, library)["k"].data == {"type": "apiKey"}


def test_path_variables() -> None:
    assert openapi.path_variables("/a/{b}/c.{d}...{e}/{f+}") == ["b", "d", "e", "f+"]
