"""JSON documents: read natively, located by a single pass over the tokens, for the asked paths only."""

from __future__ import annotations

import re
from typing import Any

import orjson

from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.yaml import Steps

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def parse(text: str, file: str) -> Any:
    """The data of a JSON document. Raises InputError with its place."""
    try:
        return orjson.loads(text.removeprefix("\ufeff"))
    except orjson.JSONDecodeError as error:
        place = Place(file, error.lineno, error.colno)
        raise InputError(f"not valid JSON: {error.msg}", place=place) from None


def locate(text: str, file: str, wanted: set[Steps]) -> tuple[dict[Steps, Place], dict[Steps, Place]]:
    """Places of the values and of the keys at the `wanted` paths, found in one pass over the text."""
    values: dict[Steps, int] = {}
    keys: dict[Steps, int] = {}
    prefixes = {path[:n] for path in wanted for n in range(len(path) + 1)}
    _Scan(text, prefixes, values, keys).run()
    starts = _line_starts(text)
    return (
        {p: _place(file, starts, offset) for p, offset in values.items()},
        {p: _place(file, starts, offset) for p, offset in keys.items()},
    )


class _Scan:
    """A walk over the tokens that notes offsets of paths in `prefixes` and skips everything else."""

    def __init__(self, text: str, prefixes: set[Steps], values: dict[Steps, int], keys: dict[Steps, int]) -> None:
        self.tokens = _TOKEN.finditer(text)
        self.prefixes = prefixes
        self.values = values
        self.keys = keys

    def run(self) -> None:
        for match in self.tokens:
            self._value(match, ())
            return

    def _value(self, match: re.Match[str], path: Steps) -> None:
        self.values[path] = match.start()
        opening = match.group()
        if opening == "{":
            self._object(path)
        elif opening == "[":
            self._array(path)

    def _object(self, path: Steps) -> None:
        for match in self.tokens:
            token = match.group()
            if token == "}":
                return
            if token == ",":
                continue
            inner = (*path, orjson.loads(token))
            next(self.tokens)  # the colon
            value = next(self.tokens)
            if inner in self.prefixes:
                self.keys[inner] = match.start()
                self._value(value, inner)
            else:
                self._skip(value)

    def _array(self, path: Steps) -> None:
        index = 0
        for match in self.tokens:
            token = match.group()
            if token == "]":
                return
            if token == ",":
                continue
            inner = (*path, index)
            if inner in self.prefixes:
                self._value(match, inner)
            else:
                self._skip(match)
            index += 1

    def _skip(self, match: re.Match[str]) -> None:
        if match.group() not in "{[":
            return
        depth = 1
        for token in self.tokens:
            text = token.group()
            if text in "{[":
                depth += 1
            elif text in "}]":
                depth -= 1
                if depth == 0:
                    return


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _place(file: str, starts: list[int], offset: int) -> Place:
    from bisect import bisect_right

    line = bisect_right(starts, offset)
    return Place(file, line, offset - starts[line - 1] + 1)
