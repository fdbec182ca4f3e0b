"""The vocabulary of the rule table: direction, effect, and the law that makes a level of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from apigw_cli.stages.finding import Level


class Direction(enum.StrEnum):
    REQUEST = "request"
    RESPONSE = "response"
    NONE = "none"


class Effect(enum.StrEnum):
    """What a change does to the set of values (or calls) that the contract allows."""

    NARROWS = "narrows"
    WIDENS = "widens"
    DIFFERS = "differs"  # neither set contains the other
    UNDECIDED = "undecided"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `departs` gives the reason where the level is not the law's; `alone` where there is no mirror."""

    id: str
    direction: Direction
    effect: Effect
    level: Level
    why: str
    mirrors: tuple[str, ...] = ()
    departs: str = ""
    alone: str = ""


_LAW = {
    (Direction.REQUEST, Effect.NARROWS): Level.ERR,
    (Direction.REQUEST, Effect.WIDENS): Level.INFO,
    (Direction.RESPONSE, Effect.NARROWS): Level.INFO,
    (Direction.RESPONSE, Effect.WIDENS): Level.ERR,
    (Direction.NONE, Effect.NARROWS): Level.ERR,
    (Direction.NONE, Effect.WIDENS): Level.INFO,
}


def law(direction: Direction, effect: Effect) -> Level:
    """The level that a change of this effect has in this direction."""
    if effect is Effect.DIFFERS:
        return Level.ERR
    if effect is Effect.UNDECIDED:
        return Level.WARN
    return _LAW.get((direction, effect), Level.INFO)
