"""The text of a document with the exact range of every value: what an edit needs, in YAML and in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps


class CannotFix(Exception):
    """Why a place cannot be edited safely: said to the user, in words."""


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets in the text, the end exclusive."""

    start: int
    end: int


class Source(Protocol):
    """Where things stand. Everything raises CannotFix for what an edit would damage."""

    text: str
    is_json: bool

    def prepare(self, paths: list[Steps]) -> None:
        """Find the values at these paths, and right below them, together."""

    def value(self, path: Steps) -> Range: ...
    def key(self, path: Steps) -> Range: ...
    def items(self, path: Steps) -> list[Range]: ...
    def is_flow(self, path: Steps) -> bool: ...
    def has_marks(self, path: Steps) -> bool:
        """Whether an anchor or an alias stands in the value."""


def source_of(document: Document) -> Source:
    """The source of a document that was read from a text. Raises CannotFix where it is ambiguous."""
    if document.problems:
        raise CannotFix("the file has duplicate keys: which of them is meant?")
    if document.text is None:
        raise CannotFix("its text is not here")
    document.place(())
    if not document.is_yaml:
        return JsonSource(document)
    # The parser is imported where YAML is edited: who only reports needs none of it.
    from apigw_cli.lint.fix.yaml_source import YamlSource

    return YamlSource(document.text)


class JsonSource:
    """JSON: braces, brackets and quotes are exact, and there is nothing else."""

    is_json = True

    def __init__(self, document: Document) -> None:
        assert document.text is not None
        self.text = document.text
        self.document = document

    def prepare(self, paths: list[Steps]) -> None:
        wanted: list[Steps] = []
        for path in paths:
            wanted.append(path)
            value = self.document.get(path)
            if isinstance(value, dict | list):
                wanted += [(*path, step) for step in (value if isinstance(value, dict) else range(len(value)))]
        self.document.locate(wanted)

    def _spot(self, path: Steps) -> Any:
        try:
            self.document.get(path)
        except KeyError:
            raise CannotFix("there is no such value") from None
        return self.document.spot(path)

    def value(self, path: Steps) -> Range:
        spot = self._spot(path)
        return Range(spot.start, spot.end)

    def key(self, path: Steps) -> Range:
        spot = self._spot(path)
        return Range(spot.key_start, spot.key_end)

    def items(self, path: Steps) -> list[Range]:
        paths = [(*path, index) for index in range(len(self.document.get(path)))]
        self.document.locate(paths)
        return [self.value(each) for each in paths]

    def is_flow(self, path: Steps) -> bool:
        return True

    def has_marks(self, path: Steps) -> bool:
        return False
