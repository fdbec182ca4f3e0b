"""A finding: one difference, judged on one axis, with its places and a fingerprint that survives later edits."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from apigw_cli.errors import Place
from apigw_cli.openapi.document import Document, Node, pointer
from apigw_cli.openapi.yaml import Steps

SecretState = Literal["changed", "same", "missing"]  # what can be told of two secrets without showing one


class Axis(enum.StrEnum):
    """The two independent questions: does it break a client, does it weaken the gateway."""

    CONTRACT = "contract"
    PROTECTION = "protection"


class Level(enum.StrEnum):
    """How bad. ERR, WARN and INFO are the contract's levels, the others those of protection."""

    ERR = "ERR"
    WARN = "WARN"
    INFO = "INFO"
    WEAKEN = "weaken"
    NEUTRAL = "neutral"
    STRENGTHEN = "strengthen"


class Side(enum.StrEnum):
    BASE = "base"
    REVISION = "revision"


@dataclass(frozen=True, slots=True)
class Location:
    """Where one side of a finding stands. No line where only a release without its sources is known."""

    side: Side
    file: str
    line: int | None = None
    column: int | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        if self.line is not None:
            return f"{self.file}:{self.line}:{self.column}"
        return f"{self.file}#{self.pointer}" if self.pointer else self.file


@dataclass(frozen=True, slots=True)
class Spot:
    """A location that is looked up only when it is shown: finding places costs more than comparing."""

    side: Side
    document: Document | None = None
    steps: Steps = ()
    key: bool = False
    find: Callable[[], Place | None] | None = None

    @classmethod
    def of(cls, side: Side, node: Node, *steps: str | int, key: bool = False) -> Spot:
        return cls(side, node.document, node.path + steps, key)

    def locate(self) -> Location | None:
        if self.document is not None:
            where = pointer(self.steps)
            if self.document.text is None:
                return Location(self.side, self.document.label, pointer=where)
            place = self.document.place(self.steps, key=self.key)
            return Location(self.side, place.file, place.line, place.column, where)
        place_or_none = self.find() if self.find else None
        if place_or_none is None:
            return None
        # Line 1, column 1 of a release stands for "somewhere in it": only files have lines.
        known = not place_or_none.file.startswith(("release ", "stage "))
        return Location(
            self.side,
            place_or_none.file,
            place_or_none.line if known else None,
            place_or_none.column if known else None,
        )


def locate_all(findings: Iterable[Finding]) -> None:
    """Find the places of many findings in one pass over each document (a JSON text is scanned as a whole)."""
    wanted: dict[int, tuple[Document, list[Steps]]] = {}
    for finding in findings:
        for spot in finding.spots:
            if spot.document is not None:
                wanted.setdefault(id(spot.document), (spot.document, []))[1].append(spot.steps)
    for document, paths in wanted.values():
        document.locate(paths)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `message` reads on from the operation; `old` and `new` are plain data or text.

    `reaches` names the routes that a setting they share holds for. `secret` says whether the secrets behind the values
    differ, `changed`, `same` or `missing`, as far as this machine knows: it is no part of the fingerprint.
    """

    id: str
    axis: Axis
    level: Level
    operation: str
    path: str
    message: str
    old: Any = None
    new: Any = None
    spots: tuple[Spot, ...] = ()
    api: str = ""
    why: str = ""
    reaches: tuple[str, ...] = ()
    secret: SecretState | None = None

    @property
    def breaks(self) -> bool:
        return self.level is Level.ERR

    @property
    def weakens(self) -> bool:
        return self.level is Level.WEAKEN

    @property
    def blocks(self) -> bool:
        """Whether a promotion stops here unless a person accepts it."""
        return self.breaks or self.weakens

    @property
    def where(self) -> str:
        """The operation with its API, as it names one thing among several APIs."""
        return f"{self.api}: {self.operation}" if self.api and self.operation else self.api or self.operation

    @property
    def fingerprint(self) -> str:
        """Names the finding across runs: an approval stays valid while the finding says the same."""
        text = f"{self.id}:{self.where}:{self.path}:{self.message}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def locations(self) -> tuple[Location, ...]:
        found = (spot.locate() for spot in self.spots)
        return tuple(location for location in found if location is not None)

    @property
    def place(self) -> Location | None:
        """The place to look at first: what is new, else what was there; for what was removed, where it stood."""
        removed = self.new is None and self.old is not None
        wanted = Side.BASE if removed else Side.REVISION
        found = sorted(self.locations, key=lambda location: (location.line is None, location.side is not wanted))
        return found[0] if found else None


_ORDER = {
    Level.WEAKEN: 0,
    Level.ERR: 1,
    Level.WARN: 2,
    Level.STRENGTHEN: 3,
    Level.NEUTRAL: 4,
    Level.INFO: 5,
}


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst first; otherwise in the order in which they were found, which is that of the documents."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.level]))
