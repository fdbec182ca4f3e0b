"""A small shop behind a gateway, in a folder of its own, and the program run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.cli import app

KEYS = "alice: {sha256: c3fe0b469a6d4f19a25fbec114762d2186aa2c22888f52c5550a77fc104bcff3}\n"

SPEC = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
servers: [{url: http://localhost/v1}]
security: [{ApiKeyAuth: []}]
paths:
  /pets:
    get:
      operationId: listPets
      parameters:
        - {name: limit, in: query, schema: {type: integer, maximum: 100}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Pet"}}}}
    post:
      operationId: createPet
      responses: {"201": {description: done}}
  /hours:
    get: {operationId: hours, security: [], responses: {"200": {description: ok}}}
components:
  securitySchemes: {ApiKeyAuth: {type: apiKey, in: header, name: X-Api-Key}}
  schemas:
    Pet:
      type: object
      required: [name]
      properties:
        name: {type: string}
        tag: {type: string}
"""

CONFIG = """\
version: 1
apis:
  shop:
    spec: shop.yaml
    hosts: [localhost]
    upstream: pets
    defaults:
      rate_limit: {rate: 50/s, burst: 20, key: api_key}
    routes:
      createPet:
        rate_limit: {rate: 5/s, burst: 5, key: api_key}
upstreams:
  pets: {targets: ["${pets_url}"]}
auth:
  ApiKeyAuth: {keys: {file: keys.yaml}}
stages: {promote: {qa: [staging, prod], staging: [prod]}}
"""

UNLINTED = "gates: {lint: off}\n"  # the specifications of most tests are as small as they can be

STAGES = {
    "qa": 'variables: {pets_url: "http://127.0.0.1:9001"}\n',
    "staging": 'variables: {pets_url: "http://127.0.0.1:9001"}\n' + UNLINTED,
    "prod": 'variables: {pets_url: "http://127.0.0.1:9002"}\nexpect_different: [variables.pets_url]\n' + UNLINTED,
}


@dataclass(frozen=True)
class Result:
    """What one run of the program gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Shop:
    """The project's folder, which is also where commands run."""

    root: Path

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    @property
    def pointers(self) -> dict[str, Any]:
        path = self.root / ".apigw" / "stages.json"
        stages: dict[str, Any] = json.loads(path.read_text())["stages"] if path.exists() else {}
        return stages

    @property
    def audit(self) -> list[dict[str, Any]]:
        path = self.root / ".apigw" / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_shop(root: Path) -> Shop:
    (root / "stages").mkdir(parents=True)
    (root / "apigw.yaml").write_text(CONFIG)
    (root / "shop.yaml").write_text(SPEC)
    (root / "keys.yaml").write_text(KEYS)
    for name, text in STAGES.items():
        (root / "stages" / f"{name}.yaml").write_text(text)
    return Shop(root)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = write_shop(tmp_path / "shop")
    monkeypatch.chdir(made.root)
    monkeypatch.setenv("NO_COLOR", "1")
    return made


Apigw = Callable[..., Result]


@pytest.fixture
def apigw(capsys: pytest.CaptureFixture[str]) -> Apigw:
    """Run a command line in this process: `apigw("diff", "qa", "prod")`."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        code = app.run(list(words))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run
