"""What is wrong in a template is said when the files are loaded, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from apigw_cli.config import project
from apigw_cli.errors import InputError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled, compile_project

SPEC = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
paths:
  /pets/{id}:
    get: {operationId: getPet, responses: {}}
  /search:
    get: {operationId: search, responses: {}, x-apigw: {EXTENSION}}
"""
CONFIG = """\
version: 1
apis:
  shop:
    spec: shop.yaml
    mock: true
    routes:
      getPet:
        POLICY
"""


def load(folder: Path, policy: str = "{}", extension: str = "", stage: str = "{}") -> Compiled:
    (folder / "stages").mkdir()
    (folder / "stages" / "qa.yaml").write_text(stage)
    (folder / "shop.yaml").write_text(SPEC.replace("EXTENSION", extension))
    (folder / "apigw.yaml").write_text(CONFIG.replace("POLICY", policy))
    return compile_project(project.load(folder / "apigw.yaml"), "qa", POLICIES)


@pytest.mark.parametrize(
    ("policy", "column", "message"),
    [
        ('request: {path: "/a/${request.path.name}"}', 25, "the path /pets/{id} has no variable {name}"),
        ('request: {headers: {set: {X: "${request.headers.X}"}}}', 38, "there is no value ${request.headers.X}"),
        ('request: {headers: {set: {X: "${response.status}"}}}', 38, "${response.status} is not known here"),
        ('request: {body: {json: {a: ["${auth.nobody}"]}}}', 37, "there is no value ${auth.nobody}"),
        ('request: {headers: {set: {X: "${nothing}"}}}', 38, "variable ${nothing} is not defined in this stage"),
        ('request_headers: {set: {X: "${request.body/a}"}}', 26, "request_headers does not read the body"),
        ('response: {headers: {set: {X: "${request.body/a}"}}}', 19, "the request's body, which is gone by then"),
        ('response: {body: {json: ["${request.path.name}"]}}', 34, "the path /pets/{id} has no variable {name}"),
        ("response: [{headers: {remove: [A]}}, {on: [404], status: {404: 204}}]", 46, "no answer meets this"),
        ('response: {headers: {set: {X: "${response.bodies}"}}}', 39, "there is no value ${response.bodies}"),
        ('response: {body: {text: "<a>${auth.principal}", type: text/xml}}', 26, "the text is no XML"),
        ('response_headers: {set: {X: "1"}}', 9, 'unknown key "response_headers"'),
        ('{upstream: "${request.host}"}', 20, "values of requests cannot stand here"),
        ('{request_headers: {set: {X: "1"}}, request: {headers: {set: {x: "2"}}}}', 37, "named by request too"),
    ],
)
def test_places(tmp_path: Path, policy: str, column: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, policy)
    assert message in caught.value.message
    place = caught.value.place
    assert place is not None
    assert (Path(place.file).name, place.line, place.column) == ("apigw.yaml", 8, column)


def test_a_policy_that_is_another_one_now(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, 'response_headers: {set: {X: "1"}}')
    assert caught.value.hint == "write response: {headers: …}"


def test_a_place_in_a_specification(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, extension='request: {path: "/${request.path.id}"}')
    assert caught.value.place is not None
    assert (Path(caught.value.place.file).name, caught.value.place.line) == ("shop.yaml", 7)


def test_variables_are_filled_in_and_values_stay(tmp_path: Path) -> None:
    stage = 'variables: {who: "${request.id}", v: 2}'
    compiled = load(
        tmp_path,
        'request: {headers: {set: {A: "${who} ${request.ip}", B: "$${request.ip}", C: "${no:-c}"}}}',
        'request: {path: "/v${v}"}',
        stage,
    )
    policies = {route.operation: route.policies["request"] for route in compiled.snapshot.routes}
    assert policies["getPet"]["headers"]["set"] == {
        "A": "$${request.id} ${request.ip}",
        "B": "$${request.ip}",
        "C": "c",
    }
    assert policies["search"] == {"path": "/v2"}


def test_a_variable_is_not_called_as_a_value_is(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, stage='variables: {request.id: "1"}')
    assert 'a variable cannot be called "request.id"' in caught.value.message
