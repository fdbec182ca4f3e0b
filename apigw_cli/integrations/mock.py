"""Answers made from the specification: an operation's examples, else values made from its schemas.

Which response: the lowest documented 2XX, then `2XX`, then `default`, then the lowest of the others. A client may
choose: `Prefer: code=404` another response, `Prefer: example=NAME` a named example, `Accept` the media type
(RFC 7240; the words are those of Prism). The same question always gets the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from apigw_cli.errors import InputError
from apigw_cli.integrations import media
from apigw_cli.integrations.sample import Sampler
from apigw_cli.openapi.document import Document, Library, Node
from apigw_cli.openapi.operations import mapping

Pointer = tuple[str | int, ...]

_REMEMBERED = 4_096
_LONG = 300  # longer request headers are not worth remembering
_BODILESS = frozenset({204, 205, 304})
_PREFERENCE = re.compile(r"\s*([A-Za-z]+)\s*=\s*(?:\"([^\"]*)\"|([^\s,;]*))\s*")


@dataclass(frozen=True, slots=True)
class MockAnswer:
    """Status, the Content-Type's value and the body; both empty where there is no content."""

    status: int
    content_type: bytes = b""
    body: bytes = b""


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.answer = MockAnswer(status, b"application/json", orjson.dumps({"message": message}))


class _Documents(Library):
    """A Snapshot's documents, each decoded when something in it is first asked for."""

    def __init__(self, encoded: Mapping[str, Any]) -> None:
        super().__init__()
        self._encoded = encoded

    def read(self, name: str, **options: Any) -> Document:
        if name not in self.documents and name in self._encoded:
            self.documents[name] = Document(name, name, None, orjson.loads(memoryview(self._encoded[name])))
        return super().read(name, **options)


class MockAnswers:
    """The mock answers of one Snapshot, each made when first asked for. `documents` is the Snapshot's: JSON by name."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._library = _Documents(documents)
        self._asked: dict[tuple[str, Pointer, bytes, bytes], MockAnswer] = {}
        self._made: dict[tuple[str, Pointer, int, str, str], MockAnswer] = {}

    def answer(
        self, document: str, pointer: Pointer, accept: bytes | None = None, prefer: bytes | None = None
    ) -> MockAnswer:
        """The answer of the operation at `pointer` in `document` to a request with these headers.

        Never raises for what a client sends: 400 for a preference that cannot be met, 406 for a media type that is
        not there. A specification that cannot be used (a `$ref` to nowhere) is a 500 that says so.
        """
        question = (document, pointer, accept or b"", prefer or b"")
        known = self._asked.get(question)
        if known is not None:
            return known
        try:
            answer = self._make(document, pointer, (accept or b"").decode("latin-1"), _preferences(prefer or b""))
        except _Refused as refused:
            answer = refused.answer
        except (InputError, KeyError) as error:
            answer = _Refused(500, f"the specification gives no answer: {error}").answer
        if len(question[2]) + len(question[3]) <= _LONG:
            if len(self._asked) >= _REMEMBERED:
                self._asked.clear()
            self._asked[question] = answer
        return answer

    def _make(self, name: str, pointer: Pointer, accept: str, preferences: dict[str, str]) -> MockAnswer:
        document = self._library.read(name)
        operation = Node(document, pointer, mapping(document.get(pointer)))
        status, response = self._response(operation, preferences.get("code"))
        content = _content(response, operation)
        if status in _BODILESS or not content:
            return MockAnswer(status)
        offer = media.choose(list(content), accept)
        if offer is None:
            raise _Refused(406, f"Not Acceptable: the answer comes as {', '.join(map(media.concrete, content))}")
        wanted = preferences.get("example", "")
        made = (name, pointer, status, offer, wanted)
        if made not in self._made:
            self._made[made] = self._body(status, offer, content[offer], response.document, wanted)
        return self._made[made]

    def _response(self, operation: Node, code: str | None) -> tuple[int, Node]:
        responses = mapping(operation.data.get("responses"))
        found = _first_choice(responses) if code is None else _by_code(responses, code)
        if found is None:
            return 200, Node(operation.document, operation.path, {})
        status, key = found
        node = self._library.follow(operation.child("responses", key))
        return status, Node(node.document, node.path, mapping(node.data))

    def _body(self, status: int, offer: str, described: dict[str, Any], document: Document, wanted: str) -> MockAnswer:
        kind = media.concrete(offer)
        schema = described.get("schema")
        name = str(mapping(mapping(schema).get("xml")).get("name", "root"))
        for value in self._examples(described, document, wanted):
            return MockAnswer(status, kind.encode("ascii"), media.encode(kind, value, name))
        if wanted:
            raise _Refused(400, f'this response has no example called "{wanted}"')
        if schema is None:
            return MockAnswer(status, kind.encode("ascii"))
        value = Sampler(self._library).sample(document, schema)
        if mapping(schema).get("format") == "binary" and not media.is_json(kind):
            value = ""
        return MockAnswer(status, kind.encode("ascii"), media.encode(kind, value, name))

    def _examples(self, described: dict[str, Any], document: Document, wanted: str) -> Iterator[Any]:
        """The written examples, best first; only the one called `wanted` where that is not empty."""
        if "example" in described and not wanted:
            yield described["example"]
        for name, example in mapping(described.get("examples")).items():
            if wanted in ("", name):
                node = self._library.follow(Node(document, (), example))
                if "value" in mapping(node.data):
                    yield node.data["value"]


def _content(response: Node, operation: Node) -> dict[str, dict[str, Any]]:
    """Media types with schema and examples, in the shape of OpenAPI 3; in 2.0 `produces` says which there are."""
    content = response.data.get("content")
    if isinstance(content, dict):
        return {kind: mapping(described) for kind, described in content.items()}
    examples = mapping(response.data.get("examples"))
    if "schema" not in response.data and not examples:
        return {}
    listed = operation.data.get("produces") or mapping(operation.document.data).get("produces")
    kinds = [k for k in listed if isinstance(k, str)] if isinstance(listed, list) else []
    described = {"schema": response.data["schema"]} if "schema" in response.data else {}
    return {
        kind: described | ({"example": examples[kind]} if kind in examples else {})
        for kind in dict.fromkeys([*kinds, *map(str, examples)] or ["application/json"])
    }


def _first_choice(responses: dict[str, Any]) -> tuple[int, str] | None:
    numbers = sorted(key for key in responses if re.fullmatch(r"[2-5][0-9][0-9]", key))
    for key in (*(n for n in numbers if n[0] == "2"), *_ranges(responses, "2"), "default", *numbers):
        if key in responses:
            return (int(key) if key.isdigit() else 200), key
    others = _ranges(responses, "345")
    return (int(others[0][0]) * 100, others[0]) if others else None


def _ranges(responses: dict[str, Any], firsts: str) -> list[str]:
    return sorted(key for key in responses if re.fullmatch(r"[2-5][Xx][Xx]", key) and key[0] in firsts)


def _by_code(responses: dict[str, Any], code: str) -> tuple[int, str]:
    if not re.fullmatch(r"[2-5][0-9][0-9]", code):
        raise _Refused(400, f"Prefer: code={code[:20]} is no status from 200 to 599")
    for key in (code, f"{code[0]}XX", f"{code[0]}xx", "default"):
        if key in responses:
            return int(code), key
    known = ", ".join(key for key in responses if not key.startswith("x-"))
    raise _Refused(400, f"this operation documents no {code}; it has {known}")


def _preferences(prefer: bytes) -> dict[str, str]:
    parts = (_PREFERENCE.fullmatch(part) for part in re.split("[,;]", prefer.decode("latin-1")))
    found = [(part[1].lower(), part[2] if part[2] is not None else part[3]) for part in parts if part]
    return dict(reversed(found))  # of two, the first counts (RFC 7240, section 2)
