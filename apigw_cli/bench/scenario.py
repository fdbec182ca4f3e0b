"""Load made from a specification, or from all that a configuration serves: valid requests of every operation.

    operations ─ chosen by --operations ─▶ recipes ─ seed ─▶ different requests of each ─ credentials ─▶ calls

An operation whose requests cannot be made is left out, and that is said with the reason.
"""

from __future__ import annotations

import difflib
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import orjson

from apigw_cli.bench import purse, template
from apigw_cli.bench.bundle import Bundle
from apigw_cli.bench.call import Call, Message, Target
from apigw_cli.bench.mix import unique
from apigw_cli.bench.operation_request import Recipe, Sample
from apigw_cli.bench.purse import Need, Purse
from apigw_cli.bench.request import Header, Request, with_headers
from apigw_cli.bench.sample_request import operation_of
from apigw_cli.bench.schema_merge import Impossible
from apigw_cli.bench.targets import weighted
from apigw_cli.errors import InputError, UsageError
from apigw_cli.openapi import operations as openapi
from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import Operation
from apigw_cli.snapshot.compiler import Compiled
from apigw_cli.snapshot.model import Route

ALL = "all"
_MESSAGES, _FEWEST, _MOST = 4096, 4, 64  # requests that are made beforehand: in all, and of one operation


@dataclass(frozen=True, slots=True)
class Subject:
    """One operation: how it may be called, the path to fill in, where it is, and what it asks for."""

    name: str
    method: str
    path: str
    operation: Operation
    library: Library
    target: Target
    headers: tuple[Header, ...]
    needs: list[list[Need]]

    @property
    def names(self) -> tuple[str, ...]:
        return self.name, f"{self.method} {self.path}", f"{self.operation.method} {self.operation.path}"


@dataclass(slots=True)
class Scenario:
    """What is sent, what is not (and why), and which operations are asked without the credentials that they want."""

    calls: list[Call] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """For people, before the run."""
        lines = [f"left out: {name}: {why}" for name, why in list(self.left_out.items())[:5]]
        if len(self.left_out) > 5:
            lines.append(f"left out: {len(self.left_out) - 5} more, see `plan.left_out` in --format json")
        if self.strangers:
            some = ", ".join(self.strangers[:3]) + (
                f" and {len(self.strangers) - 3} more" if self.strangers[3:] else ""
            )
            lines.append(f"no credentials for {some}: give -H, --api-key or --token-key")
        return lines


def subjects_of_spec(file: str, base: Target) -> list[Subject]:
    """The operations of a specification, at `base`: a URL without a path takes the path of the first server."""
    path = Path(file)
    library = Library(Path() if "://" in file else path.parent)
    document = library.read(file if "://" in file else path.name)
    root = base.path.rstrip("/") if urllib.parse.urlsplit(base.url).path else openapi.base_path(document)
    found = []
    for operation in openapi.operations(document, library):
        needs = purse.of_operation(document, library, operation)
        method = "GET" if operation.method == "ANY" else operation.method
        where = root + operation.path
        found.append(Subject(operation.name, method, where, operation, library, base, (), needs))
    if not found:
        raise InputError(f"{file} has no operation", place=document.place())
    return found


def subjects_of_config(compiled: Compiled, place: Callable[[Route], tuple[Target, Header]]) -> list[Subject]:
    """The routes of a configuration that answer HTTP requests. `place` says where one is, and its Host header."""
    snapshot = compiled.snapshot
    library = Library.of({name: orjson.loads(memoryview(data)) for name, data in snapshot.documents.items()})
    apis = {api.name: api for api in snapshot.apis if api.kind != "websocket"}
    found = []
    for route in snapshot.routes:
        if route.api not in apis:
            continue
        api = apis[route.api]
        operation = operation_of(library.read(api.spec), library, route, api.base_path)
        target, host = place(route)
        method = "GET" if route.method == "ANY" else route.method
        needs = purse.of_route(compiled, route)
        found.append(Subject(route.operation, method, route.path, operation, library, target, (host,), needs))
    return found


def chosen(subjects: list[Subject], wanted: str | None) -> list[tuple[int, Subject]]:
    """Those that `--operations` names, with their weights: `all`, or `3@getPet,GET /pets`. Raises UsageError."""
    if wanted is None or wanted.strip() == ALL:
        return [(1, subject) for subject in subjects]
    found = []
    for text in filter(None, (part.strip() for part in wanted.split(","))):
        weight, name = _weighted(text)
        subject = next((one for one in subjects if name in one.names), None)
        if subject is None:
            near = difflib.get_close_matches(name, [one.name for one in subjects], n=1)
            some = ", ".join(one.name for one in subjects[:8])
            hint = f'did you mean "{near[0]}"?' if near else f"there are {some}{' …' if subjects[8:] else ''}"
            raise UsageError(f"--operations: there is no {name!r}", hint=hint)
        found.append((weight, subject))
    if not found:
        raise UsageError("--operations names none", hint=f"--operations {ALL}, or operationIds: getPet,createPet")
    return found


def _weighted(text: str) -> tuple[int, str]:
    number, at, name = text.partition("@")
    return (weighted(f"{number}@x://")[0], name) if at and number.isdecimal() else (1, text)


def made(
    wanted: list[tuple[int, Subject]], money: Purse, extra: tuple[Header, ...], seed: int, *, keep_alive: bool
) -> Scenario:
    """The requests of these operations. Raises UsageError where none can be made."""
    scenario = Scenario()
    bundles: dict[int, Bundle] = {}
    recipes: list[tuple[int, Subject, Recipe]] = []
    for weight, subject in wanted:
        bundle = bundles.setdefault(id(subject.library), Bundle(subject.library))
        try:
            recipes.append((weight, subject, Recipe(subject.operation, subject.library, bundle)))
        except Impossible as impossible:
            scenario.left_out[subject.name] = str(impossible)
    count = min(_MOST, max(_FEWEST, _MESSAGES // max(1, len(recipes))))
    names = unique(subject.name for _, subject, _ in recipes)
    for name, (weight, subject, recipe) in zip(names, recipes, strict=True):
        try:
            samples = recipe.samples(subject.path, seed, count)
        except Impossible as impossible:
            scenario.left_out[subject.name] = str(impossible)
            continue
        messages = _messages(scenario, subject, samples, money, extra, keep_alive)
        url = f"{subject.target.url.rstrip('/')}{subject.path}" if not subject.target.path.strip("/") else subject.path
        target = msgspec.structs.replace(subject.target, url=url)
        scenario.calls.append(Call(name, subject.method, target, messages, weight))
    if not scenario.calls:
        raise UsageError("no request can be made", hint="; ".join(scenario.notes()) or None)
    return scenario


def _messages(
    scenario: Scenario,
    subject: Subject,
    samples: Iterable[Sample],
    money: Purse,
    extra: tuple[Header, ...],
    keep_alive: bool,
) -> list[Message]:
    paid = money.pay(subject.needs, {name.lower() for name, _ in extra})
    if paid is None:
        scenario.strangers.append(subject.name)
    found = []
    for sample in samples:
        path = sample.path
        if paid is not None and paid.query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(paid.query)
        target = msgspec.structs.replace(subject.target, path=path)
        headers = (*subject.headers, *_joined_cookies(paid.headers if paid else (), sample.headers))
        request = with_headers(Request(subject.method, target, headers, sample.body), extra)
        found.append(request.message(keep_alive=keep_alive))
    template.check(found, None)
    return found


def _joined_cookies(credentials: tuple[Header, ...], others: tuple[Header, ...]) -> tuple[Header, ...]:
    """Both, with one Cookie header (RFC 6265, section 5.4)."""
    cookies = [value for name, value in (*credentials, *others) if name == "Cookie"]
    rest = tuple(pair for pair in (*credentials, *others) if pair[0] != "Cookie")
    return (*rest, ("Cookie", "; ".join(cookies))) if cookies else rest
