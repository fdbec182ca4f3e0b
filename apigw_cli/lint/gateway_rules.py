"""Rules of `apigw:gateway`: what gateways stumble over in a specification, and what a stage leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import INFO, Hit, On, PlacedHit, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import Operation, mapping
from apigw_cli.snapshot.model import StaticIntegration
from apigw_cli.snapshot.schemes import MutualTls


@rule(
    "response-codes-quoted",
    "The response code should be in quotes.",
    on=On.OPERATION,
    severity=INFO,
    recommended=False,
    family="apigw:gateway",
    summary="Response codes are written as text in YAML.",
    why="Most YAML readers make a number of 200:, and the importers of several gateways refuse a key that is none.",
    fix="Write '200':, or let --fix do it.",
)
def response_codes_quoted(subject: Subject, operation: Operation) -> Iterator[Hit]:
    document = operation.node.document
    text = document.text
    if text is None:
        return
    for code in mapping(operation.node.data.get("responses")):
        if not code.isdigit():
            continue
        path = (*operation.node.path, "responses", code)
        spot = document.spot(path)
        if document.is_yaml and spot is not None and spot.key_start >= 0 and text[spot.key_start] not in "\"'":
            yield Hit(document, path, on_key=True)


@rule(
    "gateway-greedy-paths",
    "A greedy path answers for every path below it.",
    on=On.DOCUMENT,
    severity=INFO,
    family="apigw:gateway",
    summary="No path takes all that is below it, as {name+} does.",
    why="What nobody has declared is sent upstream too: there is no 404, no schema and no name for it in logs.",
    fix="Declare the paths that there are, or ignore this where a whole tree is meant.",
)
def gateway_greedy_paths(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if path.startswith("/") and re.search(r"\{[^{}]*\+\}", path):
            prefix = path.split("{", 1)[0]
            below = sum(other.startswith(prefix) for other in mapping(subject.data.get("paths"))) - 1
            more = f" beside {below} declared ones" if below else ""
            yield subject.hit("paths", path, message=f"{path} answers for every path below {prefix}{more}", on_key=True)


@rule(
    "gateway-overlapping-paths",
    "Two paths with the same method match the same request.",
    on=On.DOCUMENT,
    family="apigw:gateway",
    summary="No request matches two paths of which neither is the more specific one.",
    why="/{a}/x and /y/{b} both match /y/x: which one answers depends on the gateway, and one shadows the other there.",
    fix="Give one of them another literal segment. A path that is the special case of another is fine.",
)
def gateway_overlapping_paths(subject: Subject) -> Iterator[Hit]:
    tree: _Tree = _Tree()
    for operation in subject.operations:
        segments = operation.path.strip("/").split("/")
        shapes = tuple(_VARIABLE if re.fullmatch(r"\{[^{}+]*\}", segment) else segment for segment in segments)
        if any("{" in shape and shape != _VARIABLE for shape in shapes):
            continue  # a variable inside a segment, or a greedy one, which every other path goes before
        for other, operations in tree.crossing(shapes):
            if operation.method in operations:
                first = operations[operation.method]
                both = "/" + "/".join(b if a == _VARIABLE else a for a, b in zip(shapes, other, strict=True))
                message = f"{operation.method} {operation.path} and {first.path} both match {both}".replace(
                    _VARIABLE, "x"
                )
                related = ((first.node.document, first.node.path, f"{first.method} {first.path}"),)
                yield Hit(operation.node.document, operation.node.path, message, related=related)
        tree.add(shapes, operation)


_VARIABLE = "{}"


class _Tree:
    """Paths by their segments, to find those that cross another without looking at all of them."""

    def __init__(self) -> None:
        self.children: dict[str, _Tree] = {}
        self.operations: dict[str, Operation] = {}

    def add(self, shapes: tuple[str, ...], operation: Operation) -> None:
        node = self
        for shape in shapes:
            node = node.children.setdefault(shape, _Tree())
        node.operations.setdefault(operation.method, operation)

    def crossing(self, shapes: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Operation]]]:
        """The paths that match a request of `shapes` too, each more specific in one segment and less in another."""
        stack: list[tuple[_Tree, tuple[str, ...], bool, bool]] = [(self, (), False, False)]
        while stack:
            node, met, more, less = stack.pop()
            if len(met) == len(shapes):
                if more and less and node.operations:
                    yield met, node.operations
                continue
            shape = shapes[len(met)]
            for step, child in node.children.items() if shape == _VARIABLE else node.fitting(shape):
                inner = (*met, step)
                stack.append((child, inner, more or (shape == _VARIABLE != step), less or (step == _VARIABLE != shape)))

    def fitting(self, shape: str) -> list[tuple[str, _Tree]]:
        """The children that a literal segment matches."""
        return [(step, self.children[step]) for step in (shape, _VARIABLE) if step in self.children]


@rule(
    "gateway-body-unbounded",
    "Bodies of any size are taken.",
    on=On.GATEWAY,
    severity=INFO,
    family="apigw:gateway",
    summary="Where operations take bodies, listen.max_body says how large they may be.",
    why="Without a bound one client can keep a worker and the upstream busy with one endless body.",
    fix="Write   listen: {max_body: 10485760}   (bytes), with room for the largest body that is meant.",
)
def gateway_body_unbounded(stage: Any) -> Iterator[PlacedHit]:
    if stage.compiled.snapshot.listen.max_body is not None:
        return
    taking = {key: operation.name for key, operation in stage.operations().items() if _takes_body(operation)}
    if taking:
        names = ", ".join(list(taking.values())[:3]) + (", …" if len(taking) > 3 else "")
        where = ("listen",) if "listen" in mapping(stage.config.data) else ("apis", next(iter(taking)).split(":")[0])
        hint = "write   listen: {max_body: 10485760}   (bytes)"
        yield PlacedHit(stage.place(*where), f"bodies of any size are taken by {names}", hint)


def _takes_body(operation: Operation) -> bool:
    listed = operation.node.data.get("parameters")
    old = any(mapping(one).get("in") in ("body", "formData") for one in (listed if isinstance(listed, list) else ()))
    return "requestBody" in operation.node.data or old


@rule(
    "gateway-security-off",
    "The specification asks for credentials, the gateway does not.",
    on=On.GATEWAY,
    family="apigw:gateway",
    summary="An API whose specification asks for credentials is not served without them.",
    why="security: off lets anyone call what its documentation says is protected.",
    fix="Leave security: off out and configure the scheme under auth, or ignore this if the upstream checks.",
)
def gateway_security_off(stage: Any) -> Iterator[PlacedHit]:
    operations = stage.operations()
    for name, api in mapping(stage.config.data.get("apis")).items():
        if mapping(api).get("security") != "off":
            continue
        asking = [o.name for key, o in operations.items() if key.startswith(f"{name}:") and _asks(o)]
        if asking:
            names = ", ".join(asking[:3]) + (", …" if len(asking) > 3 else "")
            message = f"anyone may call {names}, for which the specification asks for credentials"
            yield PlacedHit(stage.place("apis", name, "security"), message)


def _asks(operation: Operation) -> bool:
    """Whether an operation demands credentials: every alternative names a scheme."""
    root = mapping(operation.node.document.data)
    listed = operation.node.data.get("security", root.get("security"))
    return isinstance(listed, list) and bool(listed) and all(mapping(one) for one in listed)


@rule(
    "gateway-no-client-certificates",
    "A route needs a client certificate that nobody can show.",
    on=On.GATEWAY,
    family="apigw:gateway",
    summary="Where routes need client certificates, listen.tls asks for them.",
    why="Without listen.tls.client_ca no client is asked for a certificate, and every call of such a route is refused.",
    fix="Name the authorities under listen.tls.client_ca; client_certificates: optional leaves other routes open.",
)
def gateway_no_client_certificates(stage: Any) -> Iterator[PlacedHit]:
    snapshot = stage.compiled.snapshot
    if snapshot.listen.tls is not None and snapshot.listen.tls.client_ca:
        return
    for name, scheme in snapshot.auth.items():
        needing = [route.operation for route in snapshot.routes if _needs(route.policies.get("auth", {}), name)]
        if isinstance(scheme, MutualTls) and needing:
            names = ", ".join(needing[:3]) + (", …" if len(needing) > 3 else "")
            message = f"nobody can call {names}: listen.tls asks for no client certificate"
            yield PlacedHit(stage.place("auth", name), message)


def _needs(auth: dict[str, Any], scheme: str) -> bool:
    """Whether every alternative asks for a scheme."""
    alternatives = auth.get("alternatives", ())
    return bool(alternatives) and all(scheme in one for one in alternatives)


@rule(
    "gateway-site-files",
    "A site's folder, or a file of it that is named, is not there.",
    on=On.GATEWAY,
    family="apigw:gateway",
    summary="Each site's folder is there, with the fallback and the not_found page that are named.",
    why="A gateway refuses to start without the folder; without the page, browsers are shown a line of JSON.",
    fix="Name the folder beside apigw.yaml, and files in it. Where it is made later (a build), ignore this.",
)
def gateway_site_files(stage: Any) -> Iterator[PlacedHit]:
    found = {route.api: route.integration for route in stage.compiled.snapshot.routes}
    for name, site in found.items():
        if not isinstance(site, StaticIntegration):
            continue
        folder = stage.compiled.root / site.folder
        if not folder.is_dir():
            yield PlacedHit(stage.place("sites", name, "folder"), f"there is no folder {site.folder}")
            continue
        for key, page in (("fallback", site.fallback), ("not_found", site.not_found)):
            if page and not (folder / page).is_file():
                yield PlacedHit(stage.place("sites", name, key), f"{site.folder} has no file {page}")
