"""What lint speaks of: severities, rules, what a rule hits, and findings."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from apigw_cli.errors import Place
from apigw_cli.openapi.document import Document, Node
from apigw_cli.openapi.operations import VERSIONS
from apigw_cli.openapi.places import Steps

OAS2 = frozenset({"2.0"})
OAS3 = frozenset(VERSIONS) - OAS2
OAS = frozenset(VERSIONS)


class Severity(enum.IntEnum):
    """As Spectral counts: the lower, the worse."""

    ERROR = 0
    WARN = 1
    INFO = 2
    HINT = 3

    @property
    def word(self) -> str:
        return self.name.lower()


ERROR, WARN, INFO, HINT = Severity


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule says of one value. `message` empty: the rule's own. `on_key`: the fault is the key's.

    `related` are other values that matter; with `see_also` the message ends with the place of the first.
    """

    document: Document
    path: Steps
    message: str = ""
    on_key: bool = False
    hint: str | None = None
    related: tuple[tuple[Document, Steps, str], ...] = ()
    see_also: bool = False

    @classmethod
    def at(cls, node: Node, *steps: str | int, message: str = "", on_key: bool = False) -> Hit:
        """At `steps` below `node`, which may lead to nothing."""
        return cls(node.document, node.path + steps, message, on_key)


@dataclass(frozen=True, slots=True)
class PlacedHit:
    """What a rule says of a place that belongs to no document's tree: a line of the configuration."""

    place: Place
    message: str
    hint: str | None = None
    related: tuple[tuple[Place, str], ...] = ()
    severity: Severity | None = None  # where it is not the rule's


@dataclass(frozen=True, slots=True)
class Finding:
    """A hit with its severity and place; `end` is exclusive."""

    code: str
    message: str
    severity: Severity
    start: Place
    end: Place
    path: Steps = ()
    hint: str | None = None
    related: tuple[tuple[Place, str], ...] = ()
    # As Spectral counts, for machines: from zero, and a YAML collection begins where its key ends.
    span: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    documentation_url: str | None = None

    @property
    def file(self) -> str:
        return self.start.file

    @property
    def order(self) -> tuple[Any, ...]:
        """By file, line, column, code: the same on every machine and run."""
        place = self.start
        return (place.file, place.line, place.column, _natural(self.code), tuple(map(str, self.path)), self.message)


@cache
def _natural(code: str) -> tuple[tuple[int, str], ...]:
    """`oas3-x` before `oas10-x`."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", code) if part)


class On(enum.Enum):
    """What a rule looks at, and so what its check is called with."""

    DOCUMENT = enum.auto()  # check(subject)
    OPERATION = enum.auto()  # check(subject, operation), for every operation under `paths`
    KEYS = enum.auto()  # check(visit), for every mapping anywhere that has one of the rule's keys
    GATEWAY = enum.auto()  # check(compiled): a stage; the rule needs a configuration
    ENGINE = enum.auto()  # the engine itself reports it
    GIVEN = enum.auto()  # what `definition` says: a rule of a ruleset


Check = Callable[..., Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One check and all that there is to say about it."""

    id: str
    message: str
    summary: str  # what it checks, one line
    why: str
    fix: str
    check: Check
    on: On
    severity: Severity = WARN
    formats: frozenset[str] = OAS
    recommended: bool = True
    family: str = "spectral:oas"
    keys: tuple[str, ...] = ()
    definition: Any = None  # given.Definition, of a rule that a ruleset defines
    documentation_url: str | None = None
    late: bool = False  # of On.KEYS: called when the walk is over, with all references known


def rule(
    name: str,
    message: str,
    *,
    on: On,
    summary: str,
    why: str,
    fix: str,
    severity: Severity = WARN,
    formats: frozenset[str] = OAS,
    recommended: bool = True,
    family: str = "spectral:oas",
    keys: tuple[str, ...] = (),
    late: bool = False,
) -> Callable[[Check], Rule]:
    """Make a function a rule: it becomes the check."""

    def make(check: Check) -> Rule:
        return Rule(
            name, message, summary, why, fix, check, on, severity, formats, recommended, family, keys, late=late
        )

    return make


def reported_by_engine(*_: Any) -> Iterable[Any]:
    """The check of a rule that the engine applies itself."""
    return ()
