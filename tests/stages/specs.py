"""Small specifications, made of what a test is about."""

from __future__ import annotations

import copy
from typing import Any

from apigw_cli.openapi.document import Library
from apigw_cli.stages.contract import compare as contract
from apigw_cli.stages.contract.compare import Contract
from apigw_cli.stages.finding import Finding

Json = dict[str, Any]


def spec(paths: Json, *, version: str = "3.1.0", **rest: Any) -> Json:
    """A description with these paths; `components`, `security`, `servers` and the like as keywords."""
    head: Json = {"swagger": version} if version == "2.0" else {"openapi": version}
    return copy.deepcopy({**head, "info": {"title": "t", "version": "1"}, "paths": paths, **rest})


def operation(**parts: Any) -> Json:
    """`GET /pets` with these parts, as paths."""
    return {"/pets": {"get": {"responses": {"200": {"description": "ok"}}, **parts}}}


def body(schema: Any, **rest: Any) -> Json:
    """`POST /pets` that takes this schema."""
    content = {"application/json": {"schema": schema}}
    responses = {"204": {"description": "done"}}
    return spec({"/pets": {"post": {"requestBody": {"content": content}, "responses": responses}}}, **rest)


def answer(schema: Any, **rest: Any) -> Json:
    """`GET /pets` that answers with this schema."""
    content = {"application/json": {"schema": schema}}
    return spec({"/pets": {"get": {"responses": {"200": {"description": "ok", "content": content}}}}}, **rest)


def contract_of(data: Json, name: str = "api.yaml") -> Contract:
    library = Library.of({name: data})
    return Contract(library.read(name), library)


def compare(base: Json, revision: Json) -> list[Finding]:
    return contract.compare(contract_of(base), contract_of(revision))


def found(base: Json, revision: Json) -> set[str]:
    """`id path` of every finding, the operation left out where it is the only one."""
    return {f"{finding.id} {finding.path}".strip() for finding in compare(base, revision)}
