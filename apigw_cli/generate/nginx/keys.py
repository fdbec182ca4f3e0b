"""API keys in nginx: who calls, as a variable.

nginx cannot hash, so it cannot use our key list: whoever runs it writes the keys themselves into files that each
`map` includes. Without such a file every call is refused. A map looks up plain text without regard to case, so a
key stands there as a regular expression that must match as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from apigw_cli.errors import Place
from apigw_cli.generate.nginx.words import Block, Names, comment, header_variable, quoted
from apigw_cli.generate.target import Gap
from apigw_cli.snapshot.model import Snapshot
from apigw_cli.snapshot.schemes import ApiKeys, Scheme

FOLDER = "apigw-keys"
_NOBODY = '""'


class Callers:
    """The variables that say who calls, by the alternatives that a route allows; made as they are asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._schemes = snapshot.auth
        self._keys = Names("apigw_key_")
        self._has = Names("apigw_has_")
        self._callers = Names("apigw_caller_")
        self._folders = Names(other_than=r"[^A-Za-z0-9_.-]")
        self._blocks: dict[str, Block] = {}

    def variable(self, alternatives: list[list[str]]) -> str:
        """The variable (with its `$`) that holds who calls; empty where nobody is known."""
        wanted = sorted(([*schemes] for schemes in alternatives if schemes), key=len, reverse=True)
        if not wanted:
            return _NOBODY
        if len(wanted) == 1 and len(wanted[0]) == 1:
            return f"${self._key(wanted[0][0])}"
        return f"${self._combined(wanted)}"

    def blocks(self) -> list[Block]:
        """The maps that make the variables."""
        return list(self._blocks.values())

    def folder(self, scheme: str) -> str:
        """Where the key files of a scheme are looked for, beside nginx.conf."""
        return f"{FOLDER}/{self._folders.of(scheme, scheme)}/*.map"

    def _key(self, scheme: str) -> str:
        name = self._keys.of(scheme, scheme)
        source = credential(self._schemes[scheme])
        body: list[str | Block] = [f"default {_NOBODY};"]
        if source is not None:
            body = [
                comment(f"who holds which key of {scheme}; without these files nobody does"),
                *body,
                f"include {quoted(self.folder(scheme))};",
            ]
        self._blocks[f"key {scheme}"] = Block(f"map {source or _NOBODY} ${name}", body)
        return name

    def _combined(self, alternatives: list[list[str]]) -> str:
        """Of several alternatives the first that holds names the caller: its first scheme does."""
        thing = tuple(map(tuple, alternatives))
        name = self._callers.of(thing, "_or_".join("_and_".join(schemes) for schemes in alternatives))
        schemes = list(dict.fromkeys(scheme for alternative in alternatives for scheme in alternative))
        present = "".join(f"${{{self._presence(scheme)}}}" for scheme in schemes)
        body: list[str | Block] = [f"default {_NOBODY};"]
        for alternative in alternatives:
            pattern = "".join("1" if scheme in alternative else "." for scheme in schemes)
            body.append(f'"~^{pattern}" ${self._key(alternative[0])};')
        self._blocks[f"caller {name}"] = Block(f'map "{present}" ${name}', body)
        return name

    def _presence(self, scheme: str) -> str:
        name = self._has.of(scheme, scheme)
        self._blocks[f"has {name}"] = Block(f"map ${self._key(scheme)} ${name}", ['"" 0;', "default 1;"])
        return name


def credential(scheme: Scheme) -> str | None:
    """The nginx variable that holds what a caller presents; None where nginx has none, or cannot check it."""
    if not isinstance(scheme, ApiKeys):
        return None
    if scheme.location == "header":
        return header_variable(scheme.parameter)
    prefix = {"query": "$arg_", "cookie": "$cookie_"}.get(scheme.location)
    return prefix + scheme.parameter if prefix and re.fullmatch(r"[A-Za-z0-9_]+", scheme.parameter) else None


def gaps(scheme: Scheme, files: str, place: Place | None, operations: tuple[str, ...]) -> Iterator[Gap]:
    """What whoever runs nginx has to know about one scheme."""
    if not isinstance(scheme, ApiKeys):
        yield Gap(
            "auth", f"nginx cannot check {scheme.name} ({scheme.place}): every call is refused", operations, place
        )
        return
    if credential(scheme) is None:
        where = f"the {scheme.location} {scheme.parameter!r}" if scheme.parameter else scheme.place
        message = f"nginx cannot read {where}: every call is refused"
    else:
        message = (
            f"nginx cannot hash keys: every call is refused until {files} beside nginx.conf has lines such as "
            r'"~^\Qthe-key\E\z" "who";'
        )
    yield Gap("auth", message, operations, place)
    if scheme.location in ("query", "cookie"):
        message = f"nginx reads the {scheme.location} as it is sent and takes the first of several"
        yield Gap("auth", message, operations, place)
