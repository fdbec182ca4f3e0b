"""An operation's answers, as the specification describes them: by status, what headers and bodies they have.

OpenAPI looks a status up as it is, then by its class (`2XX`), then as `default` (3.1, section 4.8.16). What is made
ready of a description is made when the first answer of that status comes: a specification describes many more answers
than a gateway ever sees.
"""

from __future__ import annotations

from dataclasses import dataclass

from apigw_cli.errors import InputError
from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.json_schema import Direction
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.answer_filter import Head, name_of, value
from apigw_cli.policies.validation import bodies
from apigw_cli.policies.validation.bodies import Bodies, Content, MediaType
from apigw_cli.policies.validation.codings import TooLarge, inflated
from apigw_cli.policies.validation.parameters import Parameter, header
from apigw_cli.policies.validation.problem import Violation

# Not the operation's own: the cache, ranges and conditions make them of another answer.
_OF_OTHERS = frozenset((206, 304, 412, 416))
_ELSEWHERE = frozenset(("content-type", "set-cookie"))  # OpenAPI 3.1, 4.8.17.1; a cookie's line is no list


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers of one status have. `bodies` None: the description says nothing of one."""

    headers: tuple[Parameter, ...]
    bodies: Bodies | None

    def of_head(self, head: Head) -> list[Violation]:
        if not self.headers:
            return []
        texts: dict[str, list[str]] = {}
        for line in head.lines:
            texts.setdefault(name_of(line).decode("latin-1"), []).append(value(line).decode("latin-1"))
        return [violation for one in self.headers for violation in one.violations(texts)]

    def content(self, head: Head) -> tuple[Content, MediaType] | list[Violation] | None:
        """What the body has to be; a list: it is of no use to read it; None: nobody looks at it."""
        if self.bodies is None:
            return None
        chosen = self.bodies.choose(head.first(b"content-type"))
        return [chosen] if isinstance(chosen, Violation) else chosen


_ANYTHING = Expected((), None)


class Answers:
    """What the answers of one operation are."""

    __slots__ = ("_known", "_library", "_listed", "_operation", "_version")

    def __init__(self, library: Library, operation: Node, version: str) -> None:
        self._library = library
        self._operation = operation
        self._version = version
        self._listed = {str(name).upper(): str(name) for name in mapping(mapping(operation.data).get("responses"))}
        self._known: dict[str, Expected | Violation] = {}

    def of(self, status: int) -> Expected | Violation:
        """What an answer of this status has to be; a violation where there is none of it."""
        if status in _OF_OTHERS or not self._listed:
            return _ANYTHING
        for name in (str(status), f"{status // 100}XX", "DEFAULT"):
            if name in self._listed:
                return self._known.get(name) or self._make(name)
        return Violation("status", "", "", f"the operation has no answer {status}", "status")

    def _make(self, name: str) -> Expected | Violation:
        try:
            made: Expected | Violation = self.expected(self._listed[name])
        except InputError:  # `apigw lint` says what is wrong with it
            made = Violation("status", "", "", f"what the specification says of {name} cannot be used", "schema")
        self._known[name] = made
        return made

    def prepare(self) -> None:
        """Make all of it ready. Raises InputError for a schema that cannot be used."""
        for name, listed in self._listed.items():
            self._known[name] = self.expected(listed)

    def expected(self, name: str) -> Expected:
        """Raises InputError for a schema that cannot be used."""
        library, version = self._library, self._version
        node = library.follow(self._operation.child("responses", name))
        headers = [
            header(library, name, library.follow(node.child("headers", name)), version, Direction.ANSWER)
            for name in mapping(mapping(node.data).get("headers"))
            if name.lower() not in _ELSEWHERE
        ]
        return Expected(tuple(headers), self._bodies(node))

    def _bodies(self, node: Node) -> Bodies | None:
        if self._version == "2.0":
            if "schema" not in mapping(node.data):
                return None
            kinds = bodies.consumed(self._operation, "produces") or ["application/json"]
            schema = node.child("schema")
            found = {
                kind: bodies.content(self._library, kind, schema, self._version, Direction.ANSWER) for kind in kinds
            }
        else:
            found = bodies.contents(self._library, node, self._version, Direction.ANSWER)
        return Bodies(found, True) if found else None


def of_body(content: Content, kind: MediaType, data: bytes, coding: bytes | None, maximum: int) -> list[Violation]:
    """What does not fit in the body of an answer. Of a coding that is not known here, nothing is said."""
    if coding is not None:
        try:
            plain = inflated(data, coding, maximum)
        except TooLarge:
            return [Violation("body", "", "", f"decompressed it is larger than {maximum} bytes", "size")]
        except ValueError as error:
            return [Violation("body", "", "", f"it cannot be decompressed: {error}", "coding")]
        if plain is None:
            return []
        data = plain
    return content.violations(data, kind)
