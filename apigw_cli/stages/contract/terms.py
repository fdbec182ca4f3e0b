"""What a team makes of the rules: levels of its own, grace periods, and from which stability on changes can break."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from apigw_cli.config.located import Located, nearest
from apigw_cli.errors import InputError, Place
from apigw_cli.openapi.operations import mapping
from apigw_cli.stages.contract.lifecycle import STABILITY, Lifecycle
from apigw_cli.stages.contract.rules import RULES
from apigw_cli.stages.finding import Axis, Finding, Level

LEVELS = {"err": Level.ERR, "warn": Level.WARN, "info": Level.INFO, "none": None}


@dataclass(frozen=True, slots=True)
class Terms:
    """`levels` by rule id: one of another level, or None for one that is not reported."""

    levels: Mapping[str, Level | None] = field(default_factory=dict)
    sunset_days: int = 0
    beta_days: int = 0
    stability: str = "beta"

    @property
    def lifecycle(self) -> Lifecycle:
        today = datetime.datetime.now(datetime.UTC).date()
        return Lifecycle(today, self.sunset_days, self.beta_days, self.stability)

    def apply(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings with these levels."""
        for finding in findings:
            if finding.axis is Axis.CONTRACT and finding.id in self.levels:
                level = self.levels[finding.id]
                if level is not None:
                    yield replace(finding, level=level)
            else:
                yield finding


def of_stage(file: Located) -> Terms:
    """The terms that a stage's file sets under `contract`. Raises InputError for an id that is no rule's."""
    data = mapping(mapping(file.data).get("contract"))
    levels = {
        rule: level_of(rule, word, file.place(("contract", "levels", rule), key=True))
        for rule, word in mapping(data.get("levels")).items()
    }
    days, beta = (
        value if isinstance(value, int) else 0 for value in map(data.get, ("sunset_days", "beta_sunset_days"))
    )
    stability = data.get("stability")
    return Terms(levels, days, beta, stability if stability in STABILITY else "beta")


def level_of(rule: str, word: object, place: Place | None) -> Level | None:
    """The level that a word stands for. Raises InputError for no rule's id or no level."""
    if rule not in RULES:
        hint = nearest(rule, list(RULES)) or "the ids are those of: apigw diff --rules"
        raise InputError(f'"{rule}" is no rule of the contract', place=place, hint=hint)
    name = str(word).lower()
    if name not in LEVELS:
        raise InputError(f'"{word}" is no level', place=place, hint=f"one of {', '.join(LEVELS)}")
    return LEVELS[name]


def read_levels(text: str, label: str) -> dict[str, Level | None]:
    """Levels from a file of lines `RULE LEVEL`, which is oasdiff's form; `#` begins a comment."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].replace("\t", " ").split()
        if not words:
            continue
        place = Place(label, number, 1)
        if len(words) != 2:
            raise InputError("a line is a rule's id and its level", place=place, hint="as in: endpoint-added none")
        found[words[0]] = level_of(words[0], words[1], place)
    return found
