"""Documents as rules written with JSONPath see them: as they stand, or with every reference replaced by its target.

The resolved view shares: what is referred to a hundred times is there once, so it is no larger than the files. Circles
stay circles. Each container knows where it comes from, which is where its findings belong.
"""

from __future__ import annotations

from typing import Any

from apigw_cli.errors import InputError
from apigw_cli.lint.jsonpath.steps import Frame, steps_of
from apigw_cli.lint.subject import Link, Subject
from apigw_cli.lint.subject import steps_of as steps_of_link
from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps


class View:
    """The document as it stands: the frame's own keys are the place of a value."""

    shares = False  # whether a value is met by several ways and has its place all the same

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.root: Any = subject.document.data

    def position(self, frame: Frame, below: Steps) -> tuple[Document, Steps, Steps]:
        """Where the value at `below` a frame stands: its document, the path as far as it exists, and the rest."""
        path, value = steps_of(frame), frame[0]
        for index, step in enumerate(below):
            found, value = child_of(value, step)
            if not found:
                return self.subject.document, path, below[index:]
            path = (*path, step)
        return self.subject.document, path, ()


class ResolvedView(View):
    """References replaced, in this document and in those that it refers to."""

    shares = True

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._origin: dict[int, tuple[Document, Link]] = {}
        self._made: dict[int, Any] = {}
        self._kept: list[Any] = []  # what was seen by its id must stay alive
        self._open: list[tuple[Any, Any, Document, Link]] = []
        self.root = self._made_of(subject.document.data, subject.document, None)
        while self._open:
            self._fill(*self._open.pop())

    def _made_of(self, raw: Any, document: Document, link: Link) -> Any:
        if not isinstance(raw, dict | list):
            return raw
        made = self._made.get(id(raw))
        if made is None:
            made = {} if isinstance(raw, dict) else []
            self._made[id(raw)] = made
            self._kept.append(raw)
            self._origin[id(made)] = document, link
            self._open.append((raw, made, document, link))
        return made

    def _fill(self, raw: Any, made: Any, document: Document, link: Link) -> None:
        if isinstance(raw, dict):
            for key, value in raw.items():
                scalar = type(value) is not dict and type(value) is not list
                made[key] = value if scalar else self._inner(value, document, (link, key))
        else:
            for index, value in enumerate(raw):
                made.append(self._inner(value, document, (link, index)))

    def _inner(self, value: Any, document: Document, link: Link) -> Any:
        if type(value) is dict and type(value.get("$ref")) is str:
            target = self._target(value, document, link)
            if target is not None:
                return target
        return self._made_of(value, document, link)

    def _target(self, holder: dict[str, Any], document: Document, link: Link) -> Any:
        """What a reference leads to in the end; None where it leads to nothing, or back to itself."""
        seen: set[int] = set()
        data: Any = holder
        while isinstance(data, dict) and isinstance(data.get("$ref"), str):
            if id(data) in seen:
                return None
            seen.add(id(data))
            try:
                node = self.subject.library.target(document, data["$ref"])
            except InputError:
                return None
            document, data, link = node.document, node.data, None
            for step in node.path:
                link = (link, step)
        return self._made_of(data, document, link)

    def position(self, frame: Frame, below: Steps) -> tuple[Document, Steps, Steps]:
        document, path = self._place(frame)
        value = frame[0]
        for index, step in enumerate(below):
            found, value = child_of(value, step)
            if not found:
                return document, path, below[index:]
            if isinstance(value, dict | list):
                document, link = self._origin[id(value)]
                path = steps_of_link(link)
            else:
                path = (*path, step)
        return document, path, ()

    def _place(self, frame: Frame) -> tuple[Document, Steps]:
        origin = self._origin.get(id(frame[0])) if isinstance(frame[0], dict | list) else None
        if origin is not None:
            return origin[0], steps_of_link(origin[1])
        document, path = self._place(frame[2])
        return document, (*path, frame[1])


def child_of(value: Any, step: str | int) -> tuple[bool, Any]:
    """Whether there is a child under `step`, and which."""
    if isinstance(value, dict):
        key = step if isinstance(step, str) else str(step)
        return key in value, value.get(key)
    if isinstance(value, list) and str(step).isdigit() and int(step) < len(value):
        return True, value[int(step)]
    return False, None
