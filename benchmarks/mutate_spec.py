"""A changed copy of a specification, with a list of what was changed: so that a diff's recall can be counted.

    python benchmarks/mutate_spec.py github.json --seed 1 --changes 60 --out changed.json     # and changed.json.changes
    python benchmarks/mutate_spec.py github.json --seed 1 --check     # does `apigw diff` find all, and nothing else?

Every change is of a kind with a known judgement: an id that the diff must report at that operation, or, for those
that mean nothing (another description, an order, a `$ref` put in), no finding at all. `--check` prints the share that
was found, findings that no change explains, time and memory of the diff as a process of its own.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
Json = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One change: `rule` is the id to report at `operation`, '' where nothing must be."""

    kind: str
    operation: str
    rule: str


class Spec:
    """An OpenAPI 3 document that is changed in place; each operation is touched once."""

    def __init__(self, data: Json, seed: int) -> None:
        self.data = data
        self.chance = random.Random(seed)
        self.free = [(path, method) for path, item in data["paths"].items() for method in METHODS if method in item]
        self.chance.shuffle(self.free)
        self.thinned: set[str] = set()  # paths that lost an operation: one more might empty them

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        """Operations that nothing touched yet, in random order; one that is taken up is out of it."""
        for path, method in list(self.free):
            yield path, method, self.data["paths"][path][method]

    def take(self, path: str, method: str) -> str:
        self.free.remove((path, method))
        return f"{method.upper()} {path}"

    def inline(self, node: Json) -> Json:
        """What a node says, a reference followed."""
        while "$ref" in node:
            found: Any = self.data
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node


Kind = Callable[[Spec, str, str, Json], str | None]  # changes the operation; the rule's id, None: does not fit here
KINDS: dict[str, Kind] = {}


def kind(made: Kind) -> Kind:
    KINDS[made.__name__] = made
    return made


# --- operations and parameters


@kind
def operation_removed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    item = spec.data["paths"][path]
    if operation.get("deprecated") or path in spec.thinned:
        return None
    spec.thinned.add(path)
    if sum(other in item for other in METHODS) == 1:
        del spec.data["paths"][path]
        return "api-path-removed-without-deprecation"
    del item[method]
    return "api-removed-without-deprecation"


@kind
def operation_added(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    free = next((other for other in ("trace", "options", "head") if other not in spec.data["paths"][path]), None)
    if free is None:
        return None
    spec.data["paths"][path][free] = {"responses": {"200": {"description": "added"}}}
    return f"endpoint-added:{free.upper()} {path}"


@kind
def required_parameter_added(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = {"type": "string"}
    parameter = {"name": "x_added", "in": "query", "required": True, "schema": schema}
    operation["parameters"] = [*operation.get("parameters", []), parameter]
    return "new-required-request-parameter"


@kind
def optional_parameter_added(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    parameter = {"name": "x_added", "in": "query", "schema": {"type": "string"}}
    operation["parameters"] = [*operation.get("parameters", []), parameter]
    return "new-optional-request-parameter"


def _parameter(spec: Spec, operation: Json, *places: str) -> tuple[int, Json] | None:
    for index, parameter in enumerate(operation.get("parameters", [])):
        found = spec.inline(parameter)
        if found.get("in") in places and isinstance(found.get("schema"), dict):
            return index, copy.deepcopy(found)
    return None


@kind
def parameter_removed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    found = _parameter(spec, operation, "query", "header")
    if found is None or found[1].get("deprecated"):
        return None
    operation["parameters"] = [p for i, p in enumerate(operation["parameters"]) if i != found[0]]
    return "request-parameter-removed"


@kind
def parameter_became_required(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    found = _parameter(spec, operation, "query")
    if found is None or found[1].get("required"):
        return None
    operation["parameters"] = list(operation["parameters"])
    operation["parameters"][found[0]] = {**found[1], "required": True}
    return "request-parameter-became-required"


@kind
def parameter_limited(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    found = _parameter(spec, operation, "query", "path")
    schema = found and spec.inline(found[1]["schema"])
    if not found or not schema or schema.get("type") != "string" or {"maxLength", "enum"} & schema.keys():
        return None
    operation["parameters"] = list(operation["parameters"])
    operation["parameters"][found[0]] = {**found[1], "schema": {**schema, "maxLength": 3}}
    return "request-parameter-max-length-set"


# --- bodies and responses


def _own(spec: Spec, holder: Json) -> Json | None:
    """A copy of the object schema of a JSON body, put in the place of what it referred to."""
    for media, entry in holder.get("content", {}).items():
        if "json" in media and isinstance(entry.get("schema"), dict):
            schema = spec.inline(entry["schema"])
            if schema.get("type") == "object" and schema.get("properties"):
                entry["schema"] = copy.deepcopy(schema)
                holder["content"] = {media: entry}
                return entry["schema"]
    return None


def _request(spec: Spec, operation: Json) -> Json | None:
    body = operation.get("requestBody")
    if not isinstance(body, dict) or len(spec.inline(body).get("content", {})) != 1:
        return None
    operation["requestBody"] = copy.deepcopy(spec.inline(body))
    return _own(spec, operation["requestBody"])


def _response(spec: Spec, operation: Json) -> Json | None:
    for status, response in operation.get("responses", {}).items():
        if status.startswith("2") and len(spec.inline(response).get("content", {})) == 1:
            operation["responses"][status] = copy.deepcopy(spec.inline(response))
            return _own(spec, operation["responses"][status])
    return None


def _writable(spec: Spec, schema: Json, *, required: bool) -> str | None:
    needed = schema.get("required", [])
    for name, found in schema["properties"].items():
        inner = spec.inline(found)
        if (name in needed) == required and not inner.get("readOnly") and not inner.get("writeOnly"):
            return str(name)
    return None


@kind
def request_property_became_required(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _request(spec, operation)
    name = schema and _writable(spec, schema, required=False)
    if not schema or not name:
        return None
    schema["required"] = [*schema.get("required", []), name]
    return "request-property-became-required"


@kind
def request_property_added(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _request(spec, operation)
    if not schema:
        return None
    schema["properties"]["x_added"] = {"type": "integer"}
    return "new-optional-request-property"


@kind
def response_property_removed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _response(spec, operation)
    name = schema and _writable(spec, schema, required=True)
    if not schema or not name:
        return None
    del schema["properties"][name]
    schema["required"] = [other for other in schema["required"] if other != name]
    return "response-required-property-removed"


@kind
def response_property_became_optional(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _response(spec, operation)
    name = schema and _writable(spec, schema, required=True)
    if not schema or not name:
        return None
    schema["required"] = [other for other in schema["required"] if other != name]
    return "response-property-became-optional"


@kind
def response_property_added(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _response(spec, operation)
    if not schema:
        return None
    schema["properties"]["x_added"] = {"type": "string"}
    return "response-optional-property-added"


@kind
def response_type_changed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    schema = _response(spec, operation)
    if not schema:
        return None
    for name, found in schema["properties"].items():
        if spec.inline(found).get("type") == "string" and not {"enum", "nullable"} & spec.inline(found).keys():
            schema["properties"][name] = {"type": "boolean"}
            return "response-property-type-changed"
    return None


@kind
def response_status_removed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    listed = [status for status in operation["responses"] if status.startswith("2")]
    if len(listed) != 1 or len(operation["responses"]) < 2:
        return None
    del operation["responses"][listed[0]]
    return "response-success-status-removed"


@kind
def operation_deprecated(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    if operation.get("deprecated"):
        return None
    operation["deprecated"] = True
    return "endpoint-deprecated"


@kind
def operation_id_changed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    if "operationId" not in operation:
        return None
    operation["operationId"] += "-renamed"
    return "api-operation-id-removed"


# --- what means nothing


@kind
def text_changed(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    operation["description"] = "another text"
    return ""


@kind
def parameters_reordered(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    if len(operation.get("parameters", [])) < 2:
        return None
    operation["parameters"] = operation["parameters"][::-1]
    return ""


@kind
def response_put_in(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    return None if _response(spec, operation) is None else ""


@kind
def schema_wrapped(spec: Spec, path: str, method: str, operation: Json) -> str | None:
    for status, response in operation["responses"].items():
        for media, entry in spec.inline(response).get("content", {}).items():
            if "schema" in entry:
                changed = copy.deepcopy(spec.inline(response))
                changed["content"][media]["schema"] = {"allOf": [entry["schema"]], "description": "wrapped"}
                operation["responses"][status] = changed
                return ""
    return None


# --- making and checking


def mutate(data: Json, seed: int, number: int) -> tuple[Json, list[Change]]:
    """A changed copy and what was changed, the kinds in turn."""
    spec, changes = Spec(json.loads(json.dumps(data)), seed), []
    turn = 0
    misses = 0
    names = list(KINDS)
    while len(changes) < number and misses < len(names):
        name = names[turn % len(names)]
        turn += 1
        made = _apply(spec, name)
        misses = 0 if made else misses + 1
        changes += [made] if made else []
    return spec.data, changes


def _apply(spec: Spec, name: str) -> Change | None:
    for path, method, operation in spec.operations():
        before = json.dumps(operation)
        rule = KINDS[name](spec, path, method, operation)
        if rule is not None:
            where = spec.take(path, method)
            rule, _, other = rule.partition(":")
            return Change(name, other or where, rule)
        spec.data["paths"][path][method] = json.loads(before)
    return None


def check(base: Path, changed: Path, changes: list[Change]) -> int:
    """Run the diff, print recall, what no change explains, and what it cost."""
    program = [str(Path(sys.executable).with_name("apigw")), "diff", str(base), str(changed), "--format", "json"]
    start = time.perf_counter()
    done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(done.stderr)
        return 1
    found = {(f["operation"], f["id"]) for f in json.loads(done.stdout)["findings"]}
    wanted = {(change.operation, change.rule) for change in changes if change.rule}
    silent = sum(not change.rule for change in changes)
    print(f"changes that matter: {len(wanted)}, found: {len(wanted & found)} ({len(wanted & found) / len(wanted):.1%})")
    print(f"changes that mean nothing: {silent}; findings that no change explains: {len(found - wanted)}")
    for operation, rule in sorted(wanted - found):
        print(f"  missed    {rule}  {operation}")
    for operation, rule in sorted(found - wanted):
        print(f"  invented  {rule}  {operation}")
    print(f"wall {wall:.2f} s, CPU {used.ru_utime + used.ru_stime:.2f} s, {used.ru_maxrss / 1024:.0f} MiB")
    return 0 if wanted == found else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path, help="an OpenAPI 3 description in JSON")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--out", type=Path, help="where to write it (default: beside the specification)")
    parser.add_argument("--check", action="store_true", help="run the diff on both")
    options = parser.parse_args()
    data, changes = mutate(json.loads(options.spec.read_text()), options.seed, options.changes)
    out = options.out or Path(f"{options.spec.stem}.seed{options.seed}.json")
    out.write_text(json.dumps(data, indent=1))
    Path(f"{out}.changes").write_text("".join(json.dumps(asdict(change)) + "\n" for change in changes))
    print(f"{out}: {len(changes)} changes of {len({c.kind for c in changes})} kinds (listed in {out}.changes)")
    return check(options.spec, out, changes) if options.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
