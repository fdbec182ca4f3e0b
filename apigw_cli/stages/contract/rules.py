"""The table of contract rules: each id with its direction, effect, level and reason.

Ids follow oasdiff's where the check is the same, so that ignore lists carry over. The level follows one law:
what narrows a request or widens a response breaks a client that kept to the old contract (ERR); the other way
round it does not (INFO); what cannot be decided from the description is WARN. A rule that departs from the law
says why. Every rule names its mirrors, the rules that report the opposite change, or says why it has none.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class Facet:
    """A way in which two schemas can differ; with a subject in front it is a rule's id."""

    suffix: str
    effect: Effect
    mirror: str
    why: str


def _bounds() -> Iterator[Facet]:
    for upper, lower, what in (
        ("max", "min", "number"),
        ("exclusive-max", "exclusive-min", "number"),
        ("max-length", "min-length", "length"),
        ("max-items", "min-items", "number of items"),
        ("max-properties", "min-properties", "number of properties"),
    ):
        yield Facet(f"{upper}-increased", Effect.WIDENS, f"{upper}-decreased", f"a greater {what} is allowed")
        yield Facet(f"{upper}-decreased", Effect.NARROWS, f"{upper}-increased", f"a {what} allowed before is not now")
        yield Facet(f"{upper}-set", Effect.NARROWS, f"{upper}-unset", f"the {what} had no upper bound")
        yield Facet(f"{upper}-unset", Effect.WIDENS, f"{upper}-set", f"the {what} has no upper bound any more")
        yield Facet(f"{lower}-increased", Effect.NARROWS, f"{lower}-decreased", f"a {what} allowed before is not now")
        yield Facet(f"{lower}-decreased", Effect.WIDENS, f"{lower}-increased", f"a smaller {what} is allowed")
        yield Facet(f"{lower}-set", Effect.NARROWS, f"{lower}-unset", f"the {what} had no lower bound")
        yield Facet(f"{lower}-unset", Effect.WIDENS, f"{lower}-set", f"the {what} has no lower bound any more")


FACETS: dict[str, Facet] = {
    facet.suffix: facet
    for facet in (
        Facet("type-changed", Effect.DIFFERS, "type-changed", "values of the old type are not of the new one"),
        Facet("type-generalized", Effect.WIDENS, "type-specialized", "values of more types are allowed"),
        Facet("type-specialized", Effect.NARROWS, "type-generalized", "values of fewer types are allowed"),
        Facet("became-nullable", Effect.WIDENS, "became-not-nullable", "null is allowed"),
        Facet("became-not-nullable", Effect.NARROWS, "became-nullable", "null is not allowed any more"),
        Facet("enum-value-added", Effect.WIDENS, "enum-value-removed", "a value outside the old list is allowed"),
        Facet("enum-value-removed", Effect.NARROWS, "enum-value-added", "a value of the old list is not allowed"),
        Facet("became-enum", Effect.NARROWS, "became-not-enum", "only listed values are allowed"),
        Facet("became-not-enum", Effect.WIDENS, "became-enum", "values are not limited to a list any more"),
        *_bounds(),
        Facet("pattern-added", Effect.NARROWS, "pattern-removed", "text must match a pattern"),
        Facet("pattern-removed", Effect.WIDENS, "pattern-added", "text need not match a pattern any more"),
        Facet("pattern-changed", Effect.UNDECIDED, "pattern-changed", "which texts two patterns match is undecided"),
        Facet("unique-items-set", Effect.NARROWS, "unique-items-unset", "repeated items are not allowed"),
        Facet("unique-items-unset", Effect.WIDENS, "unique-items-set", "repeated items are allowed"),
        Facet("multiple-of-set", Effect.NARROWS, "multiple-of-unset", "only multiples are allowed"),
        Facet("multiple-of-unset", Effect.WIDENS, "multiple-of-set", "any number is allowed, not only multiples"),
        Facet("multiple-of-changed", Effect.DIFFERS, "multiple-of-changed", "multiples of the old are not all allowed"),
        Facet("default-value-added", Effect.NOTHING, "default-value-removed", "what is left out has a stated meaning"),
        Facet("default-value-removed", Effect.NOTHING, "default-value-added", "what is left out has no stated meaning"),
        Facet(
            "default-value-changed", Effect.NOTHING, "default-value-changed", "what is left out means something else"
        ),
        Facet("any-of-added", Effect.WIDENS, "any-of-removed", "one more alternative is allowed"),
        Facet("any-of-removed", Effect.NARROWS, "any-of-added", "an alternative is not allowed any more"),
        Facet("one-of-added", Effect.WIDENS, "one-of-removed", "one more alternative is allowed"),
        Facet("one-of-removed", Effect.NARROWS, "one-of-added", "an alternative is not allowed any more"),
        Facet(
            "composition-changed",
            Effect.UNDECIDED,
            "composition-changed",
            "what composed schemas allow is compared only where it is plain to see",
        ),
        Facet(
            "discriminator-changed",
            Effect.UNDECIDED,
            "discriminator-changed",
            "a client that picks a type by the discriminator may pick another",
        ),
    )
}

_ADDITIONAL = (
    Facet(
        "additional-properties-refused",
        Effect.NARROWS,
        "additional-properties-accepted",
        "properties that are not described are not allowed any more",
    ),
    Facet(
        "additional-properties-accepted",
        Effect.WIDENS,
        "additional-properties-refused",
        "properties that are not described are allowed",
    ),
)
FACETS |= {facet.suffix: facet for facet in _ADDITIONAL}

SUBJECTS: dict[str, Direction] = {
    "request-parameter": Direction.REQUEST,
    "request-parameter-property": Direction.REQUEST,
    "request-body": Direction.REQUEST,
    "request-property": Direction.REQUEST,
    "response-body": Direction.RESPONSE,
    "response-property": Direction.RESPONSE,
    "response-header": Direction.RESPONSE,
}

_IGNORES_UNKNOWN = "clients are expected to ignore properties that they do not know"


def _of_facets() -> Iterator[Rule]:
    for subject, direction in SUBJECTS.items():
        for facet in FACETS.values():
            level, departs = law(direction, facet.effect), ""
            if facet in _ADDITIONAL and direction is Direction.RESPONSE and level is Level.ERR:
                level, departs = Level.INFO, _IGNORES_UNKNOWN
            yield Rule(
                f"{subject}-{facet.suffix}",
                direction,
                facet.effect,
                level,
                facet.why,
                (f"{subject}-{facet.mirror}",),
                departs,
            )


def _rule(
    id: str,  # noqa: A002
    direction: Direction,
    effect: Effect,
    why: str,
    *mirrors: str,
    level: Level | None = None,
    departs: str = "",
    alone: str = "",
) -> Rule:
    return Rule(id, direction, effect, level or law(direction, effect), why, mirrors, departs, alone)


_REQUEST, _RESPONSE, _NONE = Direction.REQUEST, Direction.RESPONSE, Direction.NONE
_MAY_REFUSE = "many servers ignore what they do not know, some refuse it: the description does not say"

_PATHS = (
    _rule("endpoint-added", _NONE, Effect.WIDENS, "a new operation", "api-removed-without-deprecation",
          "api-path-removed-without-deprecation", "api-removed-with-deprecation"),
    _rule("api-removed-without-deprecation", _NONE, Effect.NARROWS, "clients that call it get an error",
          "endpoint-added"),
    _rule("api-path-removed-without-deprecation", _NONE, Effect.NARROWS, "clients that call the path get an error",
          "endpoint-added"),
    _rule("api-removed-with-deprecation", _NONE, Effect.NARROWS, "clients had notice; those left get an error",
          "endpoint-added", level=Level.WARN,
          departs="whether any client is left after the notice is not in the description"),
    _rule("endpoint-deprecated", _NONE, Effect.NOTHING, "clients should move on", "endpoint-reactivated"),
    _rule("endpoint-reactivated", _NONE, Effect.NOTHING, "clients may stay", "endpoint-deprecated"),
    _rule("api-operation-id-removed", _NONE, Effect.UNDECIDED, "generated clients name their methods by it",
          "api-operation-id-added", "api-operation-id-removed"),
    _rule("api-operation-id-added", _NONE, Effect.NOTHING, "generated clients can name their methods by it",
          "api-operation-id-removed"),
    _rule("api-base-path-changed", _NONE, Effect.DIFFERS, "every path moves", "api-base-path-changed"),
    _rule("api-server-removed", _NONE, Effect.UNDECIDED, "clients that call this server may find nothing",
          "api-server-added"),
    _rule("api-server-added", _NONE, Effect.WIDENS, "one more place to call", "api-server-removed"),
    _rule("api-host-removed", _NONE, Effect.NARROWS, "calls to this host name find no route", "api-host-added"),
    _rule("api-host-added", _NONE, Effect.WIDENS, "one more host name to call", "api-host-removed"),
    _rule("api-removed", _NONE, Effect.NARROWS, "clients that call it get an error", "api-added"),
    _rule("api-added", _NONE, Effect.WIDENS, "a new API", "api-removed"),
)  # fmt: skip

_PARAMETERS = (
    _rule("new-required-request-parameter", _REQUEST, Effect.NARROWS, "calls that leave it out are refused",
          "request-parameter-removed"),
    _rule("new-optional-request-parameter", _REQUEST, Effect.WIDENS, "calls may leave it out",
          "request-parameter-removed"),
    _rule("request-parameter-removed", _REQUEST, Effect.UNDECIDED, _MAY_REFUSE,
          "new-required-request-parameter", "new-optional-request-parameter"),
    _rule("request-parameter-became-required", _REQUEST, Effect.NARROWS, "calls that leave it out are refused",
          "request-parameter-became-optional"),
    _rule("request-parameter-became-optional", _REQUEST, Effect.WIDENS, "calls may leave it out",
          "request-parameter-became-required"),
    _rule("request-parameter-style-changed", _REQUEST, Effect.DIFFERS, "the same value is written differently",
          "request-parameter-style-changed"),
)  # fmt: skip

_REQUEST_BODY = (
    _rule("request-body-added-required", _REQUEST, Effect.NARROWS, "calls without a body are refused",
          "request-body-removed"),
    _rule("request-body-added-optional", _REQUEST, Effect.WIDENS, "calls may have a body", "request-body-removed"),
    _rule("request-body-removed", _REQUEST, Effect.DIFFERS, "what clients send has no meaning any more",
          "request-body-added-required", "request-body-added-optional"),
    _rule("request-body-became-required", _REQUEST, Effect.NARROWS, "calls without a body are refused",
          "request-body-became-optional"),
    _rule("request-body-became-optional", _REQUEST, Effect.WIDENS, "calls may leave the body out",
          "request-body-became-required"),
    _rule("request-body-media-type-removed", _REQUEST, Effect.NARROWS, "bodies of this type are refused",
          "request-body-media-type-added"),
    _rule("request-body-media-type-added", _REQUEST, Effect.WIDENS, "bodies of this type are accepted",
          "request-body-media-type-removed"),
    _rule("new-required-request-property", _REQUEST, Effect.NARROWS, "bodies without it are refused",
          "request-property-removed", "request-property-refused"),
    _rule("new-optional-request-property", _REQUEST, Effect.WIDENS, "bodies may leave it out",
          "request-property-removed", "request-property-refused"),
    _rule("request-property-removed", _REQUEST, Effect.UNDECIDED, _MAY_REFUSE,
          "new-required-request-property", "new-optional-request-property"),
    _rule("request-property-refused", _REQUEST, Effect.DIFFERS, "it is gone and no other property is allowed",
          "new-required-request-property", "new-optional-request-property"),
    _rule("request-property-became-required", _REQUEST, Effect.NARROWS, "bodies without it are refused",
          "request-property-became-optional"),
    _rule("request-property-became-optional", _REQUEST, Effect.WIDENS, "bodies may leave it out",
          "request-property-became-required"),
)  # fmt: skip

_RESPONSES = (
    _rule("response-success-status-removed", _RESPONSE, Effect.DIFFERS, "clients wait for this status",
          "response-success-status-added"),
    _rule("response-success-status-added", _RESPONSE, Effect.WIDENS, "clients may meet a status new to them",
          "response-success-status-removed", level=Level.INFO,
          departs="a client treats any 2xx as success (RFC 9110, section 15)"),
    _rule("response-non-success-status-removed", _RESPONSE, Effect.NARROWS, "one error less to handle",
          "response-non-success-status-added"),
    _rule("response-non-success-status-added", _RESPONSE, Effect.WIDENS, "one error more to handle",
          "response-non-success-status-removed", level=Level.INFO,
          departs="a client treats an unknown 4xx as 400 and 5xx as 500 (RFC 9110, section 15)"),
    _rule("response-media-type-removed", _RESPONSE, Effect.DIFFERS, "clients that accept only this type get nothing",
          "response-media-type-added"),
    _rule("response-media-type-added", _RESPONSE, Effect.WIDENS, "clients may ask for this type",
          "response-media-type-removed", level=Level.INFO, departs="a client asks for the types that it knows"),
    _rule("response-required-property-removed", _RESPONSE, Effect.WIDENS, "clients rely on it being there",
          "response-required-property-added"),
    _rule("response-optional-property-removed", _RESPONSE, Effect.UNDECIDED, "it was never promised, often used",
          "response-optional-property-added"),
    _rule("response-required-property-added", _RESPONSE, Effect.NARROWS, "one more property is promised",
          "response-required-property-removed"),
    _rule("response-optional-property-added", _RESPONSE, Effect.NARROWS, "one more property is described",
          "response-optional-property-removed"),
    _rule("response-property-became-optional", _RESPONSE, Effect.WIDENS, "clients rely on it being there",
          "response-property-became-required"),
    _rule("response-property-became-required", _RESPONSE, Effect.NARROWS, "it is promised now",
          "response-property-became-optional"),
    _rule("required-response-header-removed", _RESPONSE, Effect.WIDENS, "clients rely on it being there",
          "response-header-added"),
    _rule("optional-response-header-removed", _RESPONSE, Effect.UNDECIDED, "it was never promised, often used",
          "response-header-added"),
    _rule("response-header-added", _RESPONSE, Effect.NARROWS, "one more header is described",
          "required-response-header-removed", "optional-response-header-removed"),
    _rule("response-header-became-optional", _RESPONSE, Effect.WIDENS, "clients rely on it being there",
          "response-header-became-required"),
    _rule("response-header-became-required", _RESPONSE, Effect.NARROWS, "it is promised now",
          "response-header-became-optional"),
)  # fmt: skip

_SECURITY = (
    _rule("api-security-added", _NONE, Effect.NARROWS, "calls without credentials are refused",
          "api-security-dropped"),
    _rule("api-security-dropped", _NONE, Effect.WIDENS, "no credentials are needed any more", "api-security-added"),
    _rule("api-security-removed", _NONE, Effect.DIFFERS, "credentials that were accepted are refused",
          "api-security-alternative-added", "api-security-removed"),
    _rule("api-security-alternative-added", _NONE, Effect.WIDENS, "other credentials are accepted too",
          "api-security-removed"),
    _rule("api-security-scope-added", _NONE, Effect.DIFFERS, "tokens without the scope are refused",
          "api-security-scope-removed", "api-security-scope-added"),
    _rule("api-security-scope-removed", _NONE, Effect.WIDENS, "tokens need not have the scope any more",
          "api-security-scope-added"),
    _rule("api-security-component-type-changed", _NONE, Effect.DIFFERS, "credentials of the old kind are refused",
          "api-security-component-type-changed"),
    _rule("api-security-component-wire-changed", _NONE, Effect.DIFFERS,
          "clients send their credentials where nobody looks any more", "api-security-component-wire-changed"),
    _rule("api-security-component-oauth-url-changed", _NONE, Effect.UNDECIDED,
          "clients get their tokens elsewhere", "api-security-component-oauth-url-changed"),
)  # fmt: skip

RULES: dict[str, Rule] = {
    rule.id: rule for rule in (*_PATHS, *_PARAMETERS, *_REQUEST_BODY, *_RESPONSES, *_SECURITY, *_of_facets())
}

_PROPERTY = {
    Direction.REQUEST: {
        "property-added-required": "new-required-request-property",
        "property-added-optional": "new-optional-request-property",
        "property-removed": "request-property-removed",
        "property-refused": "request-property-refused",
        "property-became-required": "request-property-became-required",
        "property-became-optional": "request-property-became-optional",
    },
    Direction.RESPONSE: {
        "property-added-required": "response-required-property-added",
        "property-added-optional": "response-optional-property-added",
        "property-removed-required": "response-required-property-removed",
        "property-removed-optional": "response-optional-property-removed",
        "property-became-required": "response-property-became-required",
        "property-became-optional": "response-property-became-optional",
    },
}


def of_facet(subject: str, facet: str) -> Rule:
    """The rule for a facet of a subject ("request-property", "type-changed")."""
    irregular = _PROPERTY[SUBJECTS[subject]].get(facet) if facet.startswith("property-") else None
    return RULES[irregular or f"{subject}-{facet}"]
