"""A project written into a folder, compiled with two small policies of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apigw_cli.config import project
from apigw_cli.snapshot import compiler


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: str


class Alternatives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alternatives: list[list[str]]


class LimitPolicy:
    name = "limit"
    model = Limit
    derived = False

    def describe(self, value: Any) -> str:
        return str(value.rate)


class AuthPolicy:
    name = "auth"
    model = Alternatives
    derived = True

    def describe(self, value: Any) -> str:
        return str(value)


REGISTRY = (AuthPolicy(), LimitPolicy())

SPEC = """\
openapi: 3.1.0
info: {title: Shop, version: "1"}
servers: [{url: "https://{host}/{base}", variables: {host: {default: h}, base: {default: v1}}}]
paths:
  /pets:
    get: {operationId: listPets, responses: {"200": {description: ok}}}
    post: {responses: {"200": {description: ok}}}
  /pets/{id}:
    get: {operationId: getPet, responses: {"200": {description: ok}}}
"""

CONFIG = """\
version: 1
apis:
  shop:
    spec: shop.yaml
    upstream: pets
upstreams:
  pets: {targets: ["http://127.0.0.1:9001"]}
"""

Write = Callable[..., Path]
Compile = Callable[..., compiler.Compiled]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files (by name; `/` makes folders) and return the configuration's path; messages name them relatively."""
    monkeypatch.chdir(tmp_path)

    def write(config: str = CONFIG, spec: str = SPEC, **files: str) -> Path:
        for name, text in {"apigw.yaml": config, "shop.yaml": spec, **files}.items():
            path = Path(name.replace("__", "/"))
            path = path if path.suffix else path.with_suffix(".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Path("apigw.yaml")

    return write


@pytest.fixture
def build(write: Write) -> Compile:
    """Write files and compile them."""

    def build(*args: str, stage: str | None = None, **files: str) -> compiler.Compiled:
        return compiler.compile_project(project.load(write(*args, **files)), stage, REGISTRY)

    return build
