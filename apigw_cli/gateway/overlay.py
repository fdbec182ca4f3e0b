"""APIs that were put or removed at run time: what the admin port lays over the files, kept over reloads.

The body of `PUT /apis/NAME` is `{"config": {…}, "spec": {…}}`: what would stand under `apis.NAME` in apigw.yaml, and
the OpenAPI document. Without `spec`, `config.spec` names a file as it would there. Places in messages are lines and
columns of the body. A removed API is compiled like the others and then left out, so that `auth` and the stage's
overrides may go on naming it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from apigw_cli.config.located import Located
from apigw_cli.config.project import Project
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.document import Document, external_references
from apigw_cli.openapi.places import Steps
from apigw_cli.openapi.reading import first_of, read_document
from apigw_cli.snapshot.model import Snapshot

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # config.model.Name; safe as a file's name
_SCHEME = "run://"  # of the documents that were put: no file has such a name, so nobody watches one
_KEYS = ("config", "spec")


@dataclass(frozen=True, slots=True)
class Change:
    """What was put, as it was sent; `text` None: the API was removed. `label` names the text in messages."""

    label: str
    text: str | None


Overlay = Mapping[str, Change]
NOTHING: Overlay = {}


def apply(project: Project, overlay: Overlay) -> None:
    """Put what was put among a project's APIs, in place of one of the same name. Raises InputError."""
    for name, change in overlay.items():
        if change.text is not None:
            _put(project, name, change.label, change.text)


def _put(project: Project, name: str, label: str, text: str) -> None:
    data, composed, problems = read_document(text, label)
    if problems:
        raise first_of(problems)
    whole = Document(label, label, text, data, composed=composed)
    _check(whole)
    config = _located(whole)
    if "spec" in data:
        config.data["config"]["spec"] = _add_spec(project, name, whole)
    project.config.graft(("apis", name), config, ("config",))


def _check(whole: Document) -> None:
    data = whole.data
    if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
        raise InputError(
            '"config" is missing: what would stand under apis.NAME in apigw.yaml',
            place=whole.place(),
            hint='send {"config": {…}, "spec": {…}}',
        )
    for key in data:
        if key not in _KEYS:
            raise InputError(f'unknown key "{key}"', place=whole.place((key,), key=True), hint="config and spec")
    if "spec" in data and "spec" in data["config"]:
        place = whole.place(("config", "spec"), key=True)
        raise InputError("the specification is given twice", place=place, hint="leave out config.spec, or spec")


def _located(whole: Document) -> Located:
    """The body's `config` with all its places."""
    paths = list(_paths(whole.data["config"], ("config",)))
    whole.locate(paths)
    values = {path: whole.place(path) for path in paths}
    keys = {path: whole.place(path, key=True) for path in paths}
    return Located(whole.label, {"config": dict(whole.data["config"])}, values, keys)


def _paths(node: Any, at: Steps) -> list[Steps]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [at, *(path for step, child in children for path in _paths(child, (*at, step)))]


def _add_spec(project: Project, name: str, whole: Document) -> str:
    part = _Part(f"{_SCHEME}{name}", whole)
    for ref, at in external_references(part.data):
        raise InputError(
            f"$ref {ref!r} leads out of the document that was put",
            place=part.place((*at, "$ref")),
            hint="bundle it: what is put must hold all that it refers to",
        )
    project.library.documents[part.name] = part
    return part.name


class _Part(Document):
    """The `spec` of a body, with the places that its values have in the body."""

    def __init__(self, name: str, whole: Document) -> None:
        super().__init__(name, whole.label, whole.text, whole.data["spec"])
        self._whole = whole

    def spot(self, path: Steps) -> Any:
        return self._whole.spot(("spec", *path))

    def locate(self, paths: Any) -> None:
        self._whole.locate([("spec", *path) for path in paths])


def without_removed(snapshot: Snapshot, overlay: Overlay) -> Snapshot:
    """`snapshot` less the APIs that were removed."""
    removed = {name for name, change in overlay.items() if change.text is None}
    if not removed:
        return snapshot
    apis = tuple(api for api in snapshot.apis if api.name not in removed)
    routes = tuple(route for route in snapshot.routes if route.api not in removed)
    return msgspec.structs.replace(snapshot, apis=apis, routes=routes)


def decoded(body: bytes, label: str) -> str:
    """A body as text. Raises InputError."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text (byte {error.start})", place=Place(label)) from None
