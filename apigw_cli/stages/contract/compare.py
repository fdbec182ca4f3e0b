"""Two OpenAPI descriptions compared: everything that a client of the first one would notice with the second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Document, Library, Node, pointer_path, references
from apigw_cli.openapi.operations import Operation
from apigw_cli.stages.contract.absorb import life_of
from apigw_cli.stages.contract.called import Called
from apigw_cli.stages.contract.exchange import Exchange
from apigw_cli.stages.contract.judge import Judge, finding
from apigw_cli.stages.contract.rule_rows import LIFE
from apigw_cli.stages.contract.schemas import Schemas
from apigw_cli.stages.contract.security import Security
from apigw_cli.stages.contract.shaper import Shaper
from apigw_cli.stages.contract.terms import Terms
from apigw_cli.stages.contract.view import View, template
from apigw_cli.stages.finding import Axis, Finding, Level


@dataclass(frozen=True, slots=True)
class Contract:
    """A description and the library that its references are read from."""

    document: Document
    library: Library


def compare(
    base: Contract, revision: Contract, *, api: str = "", behind_gateway: bool = False, terms: Terms | None = None
) -> list[Finding]:
    """What changes for clients from `base` to `revision`, in the order of the documents.

    Behind a gateway, hosts, base path and who may call are the gateway's: they are compared with its routes, not
    here. Raises InputError for a document that is not OpenAPI or a reference that leads nowhere.
    """
    terms = terms or Terms()
    return list(terms.apply(_Comparison(base, revision, api, behind_gateway, terms).run()))


class _Comparison:
    def __init__(self, base: Contract, revision: Contract, api: str, behind_gateway: bool, terms: Terms) -> None:
        self.api = api
        self.behind_gateway = behind_gateway
        self.base = View(base.document, base.library)
        self.revision = View(revision.document, revision.library)
        self.unchanged = Unchanged(base.document, revision.document)
        self.lifecycle = terms.lifecycle
        self.schemas = Schemas(_shaper(self.base), _shaper(self.revision), self.unchanged, self.lifecycle)
        self.called = Called(self.base, self.revision, self.schemas, api)
        self.security = Security(self.base, self.revision, api, guards=not behind_gateway)

    def run(self) -> Iterator[Finding]:
        old, new, moved = self._matched()
        if not self.behind_gateway:
            yield from self._servers(moved)
        yield from self.security.schemes()
        paths = {path for _, path in new}
        for key, operation in old.items():
            if key in new:
                yield from self._promised(operation, self._operation(operation, new[key]))
            else:
                yield from self._promised(operation, [self._removed(operation, gone=key[1] not in paths)])
        for key, operation in new.items():
            if key not in old:
                name = _name(operation)
                yield finding("endpoint-added", name, "", "added", None, operation.node, None, name, self.api)
        yield from self.called.compare("webhook", "webhook", self.base.webhooks(), self.revision.webhooks())

    # --- operations

    def _promised(self, operation: Operation, findings: Iterable[Finding]) -> Iterator[Finding]:
        """What changes at an operation; it breaks nobody where no stability was promised."""
        level = life_of(operation.node.data).stability
        if self.lifecycle.promised(level):
            yield from findings
            return
        for found in findings:
            if found.axis is Axis.CONTRACT and found.level in (Level.ERR, Level.WARN):
                found = replace(found, level=Level.INFO, why=f"the operation is declared {level}: it may change")
            yield found

    def _matched(self) -> tuple[_Operations, _Operations, bool]:
        """Both sides' operations under comparable keys; True where paths moved between base path and template."""
        old, new = self.base.operations, self.revision.operations
        bases = openapi.base_path(self.base.document), openapi.base_path(self.revision.document)
        if bases[0] == bases[1] or self.behind_gateway:
            return old, new, False
        full_old = {(method, template(bases[0] + path)): o for (method, path), o in old.items()}
        full_new = {(method, template(bases[1] + path)): o for (method, path), o in new.items()}
        if len(full_old.keys() & full_new.keys()) > len(old.keys() & new.keys()):
            return full_old, full_new, True
        return old, new, False

    def _operation(self, old: Operation, new: Operation) -> Iterator[Finding]:
        name = _name(new)
        if self.unchanged(old.node, new.node) and self.unchanged(old.item, new.item):
            if self.unchanged.security:
                return
        else:
            yield from self._identity(name, old, new)
            yield from self._life(name, old, new)
            judge = Judge(name, self.api)
            yield from Exchange(judge, self.base, self.revision, self.schemas).compare(old, new)
            calls = self.base.callbacks(old), self.revision.callbacks(new)
            yield from self.called.compare("callback", f"{name} calls", *calls)
        yield from self.security.operation(name, old, new)

    def _identity(self, name: str, old: Operation, new: Operation) -> Iterator[Finding]:
        before, after = old.operation_id, new.operation_id
        if before != after:
            rule = "api-operation-id-added" if before is None else "api-operation-id-removed"
            message = f"operationId {before or 'none'} → {after or 'none'}"
            yield finding(rule, name, "operationId", message, old.node, new.node, before, after, self.api)
        tags = [[str(tag) for tag in _list(side.node.data.get("tags"))] for side in (old, new)]
        for tag in dict.fromkeys(tags[0] + tags[1]):
            if (tag in tags[0]) != (tag in tags[1]):
                action = "removed" if tag in tags[0] else "added"
                yield finding(
                    f"api-tag-{action}", name, "tags", f"tag {tag} {action}", old.node, new.node, None, None, self.api
                )

    def _life(self, name: str, old: Operation, new: Operation) -> Iterator[Finding]:
        before, after = life_of(old.node.data), life_of(new.node.data)
        deprecation = self.lifecycle.deprecation(before, after, after.stability)
        for change, path in ((deprecation, "deprecated"), (self.lifecycle.stage(before, after), "x-stability-level")):
            if change is not None:
                yield finding(LIFE[change[0]], name, path, change[1], old.node, new.node, None, None, self.api)

    def _removed(self, operation: Operation, *, gone: bool) -> Finding:
        how, words = self.lifecycle.removal(life_of(operation.node.data))
        rule = "api-path-sunset-parse" if how == "sunset-parse" else f"api{'-path' if gone else ''}-removed-{how}"
        name = _name(operation)
        return finding(rule, name, "", words, operation.node, None, name, None, self.api)

    # --- servers

    def _servers(self, moved: bool) -> Iterator[Finding]:
        old, new = self.base.servers(), self.revision.servers()
        bases = {_base(url) for url in old}, {_base(url) for url in new}
        if bases[0] and bases[1] and not bases[0] & bases[1] and not moved:
            text = f"base path {_paths(bases[0])} → {_paths(bases[1])}"
            nodes = next(iter(old.values())), next(iter(new.values()))
            yield finding("api-base-path-changed", "", "servers", text, *nodes, sorted(bases[0]), sorted(bases[1]))
            return
        for url, node in old.items():
            if not _among(url, new):
                yield finding("api-server-removed", "", "servers", f"server {url} removed", node, None, url)
        for url, node in new.items():
            if not _among(url, old):
                yield finding("api-server-added", "", "servers", f"server {url} added", None, node, None, url)


def _among(url: str, servers: dict[str, Node]) -> bool:
    """Whether a server is listed; `//host` leaves the scheme open and matches each."""
    if url.startswith("//"):
        return any(other.partition(":")[2] == url or other == url for other in servers)
    return url in servers or url.partition(":")[2] in servers


_Operations = dict[tuple[str, str], Operation]


class Unchanged:
    """Says quickly, and only when it is certain, that two nodes of the main documents mean the same.

    Equal text means the same unless it refers to something that differs; `dirty` holds those references.
    """

    def __init__(self, base: Document, revision: Document) -> None:
        self.base = base
        self.revision = revision
        self.comparable = _dialect(base) == _dialect(revision)
        self.dirty = _dirty(base, revision) if self.comparable else frozenset()
        self.security = all(
            _plain(base.data.get(key)) == _plain(revision.data.get(key)) for key in ("security", "securityDefinitions")
        ) and _plain(_schemes(base)) == _plain(_schemes(revision))

    def __call__(self, old: Node, new: Node) -> bool:
        if not self.comparable or old.document is not self.base or new.document is not self.revision:
            return False
        if old.data != new.data or _plain(old.data) != _plain(new.data):
            return False
        return not self.dirty or not any(ref in self.dirty for ref, _ in references(old.data))


def _dialect(document: Document) -> tuple[str, object, object]:
    """What gives the same text another meaning: the version, and a document's own defaults."""
    data = document.data
    return openapi.version(document), _plain(data.get("consumes")), _plain(data.get("produces"))


def _dirty(base: Document, revision: Document) -> frozenset[str]:
    """References whose target differs between the two, itself or through what it refers to in turn."""
    targets = {ref for ref, _ in references(base.data)} | {ref for ref, _ in references(revision.data)}
    found = {ref for ref in targets if not _same_target(base, revision, ref)}
    users: dict[str, list[str]] = {}
    for ref in targets - found:
        for inner in _refs_at(base, ref):
            users.setdefault(inner, []).append(ref)
    stack = list(found)
    while stack:
        more = [ref for ref in users.get(stack.pop(), ()) if ref not in found]
        found.update(more)
        stack += more
    return frozenset(found)


def _same_target(base: Document, revision: Document, ref: str) -> bool:
    if not ref.startswith("#"):
        return False  # another document: compared the long way
    old, new = _at(base, ref), _at(revision, ref)
    return old is not None and old == new and _plain(old) == _plain(new)


def _refs_at(document: Document, ref: str) -> frozenset[str]:
    return frozenset(inner for inner, _ in references(_at(document, ref)))


def _at(document: Document, ref: str) -> object:
    try:
        return document.get(pointer_path(ref[1:]))
    except KeyError:
        return None


def _plain(data: object) -> bytes | object:
    """Bytes that tell True from 1, which Python calls equal."""
    try:
        return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return object()


def _schemes(document: Document) -> object:
    return openapi.mapping(document.data.get("components")).get("securitySchemes")


def _shaper(view: View) -> Shaper:
    return Shaper(view.library, siblings=view.version in ("3.1", "3.2"))


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _base(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _paths(bases: set[str]) -> str:
    return ", ".join(sorted(base or "/" for base in bases))
