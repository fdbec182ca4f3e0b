"""The rules that are about one thing only: operations, parameters, bodies, responses, security, callbacks."""

from __future__ import annotations

from apigw_cli.stages.contract.law import Direction, Effect, Rule, law
from apigw_cli.stages.contract.rule_facets import FACETS
from apigw_cli.stages.finding import Level


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

_REMOVALS = (
    "api-removed-without-deprecation", "api-path-removed-without-deprecation", "api-removed-with-deprecation",
    "api-path-removed-with-deprecation", "api-removed-before-sunset", "api-path-removed-before-sunset",
    "api-path-sunset-parse",
)  # fmt: skip

_PATHS = (
    _rule("endpoint-added", _NONE, Effect.WIDENS, "a new operation", *_REMOVALS),
    _rule("api-removed-without-deprecation", _NONE, Effect.NARROWS, "clients that call it get an error",
          "endpoint-added"),
    _rule("api-path-removed-without-deprecation", _NONE, Effect.NARROWS, "clients that call the path get an error",
          "endpoint-added"),
    *(_rule(f"api{path}-removed-with-deprecation", _NONE, Effect.NARROWS,
            "clients had notice; those left get an error", "endpoint-added", level=Level.WARN,
            departs="whether any client is left after the notice is not in the description")
      for path in ("", "-path")),
    *(_rule(f"api{path}-removed-before-sunset", _NONE, Effect.NARROWS, "clients were told that they have longer",
            "endpoint-added") for path in ("", "-path")),
    _rule("api-path-sunset-parse", _NONE, Effect.NARROWS, "it was deprecated until a day that nobody can tell",
          "endpoint-added"),
    _rule("api-operation-id-removed", _NONE, Effect.UNDECIDED, "generated clients name their methods by it",
          "api-operation-id-added", "api-operation-id-removed"),
    _rule("api-operation-id-added", _NONE, Effect.NOTHING, "generated clients can name their methods by it",
          "api-operation-id-removed"),
    _rule("api-tag-removed", _NONE, Effect.NOTHING, "documentation and generated clients group by it",
          "api-tag-added"),
    _rule("api-tag-added", _NONE, Effect.NOTHING, "documentation and generated clients group by it",
          "api-tag-removed"),
    _rule("api-base-path-changed", _NONE, Effect.DIFFERS, "every path moves", "api-base-path-changed"),
    _rule("api-server-removed", _NONE, Effect.UNDECIDED, "clients that call this server may find nothing",
          "api-server-added"),
    _rule("api-server-added", _NONE, Effect.WIDENS, "one more place to call", "api-server-removed"),
    _rule("api-host-removed", _NONE, Effect.NARROWS, "calls to this host name find no route", "api-host-added"),
    _rule("api-host-added", _NONE, Effect.WIDENS, "one more host name to call", "api-host-removed"),
    _rule("api-removed", _NONE, Effect.NARROWS, "clients that call it get an error", "api-added"),
    _rule("api-added", _NONE, Effect.WIDENS, "a new API", "api-removed"),
)  # fmt: skip

_PARAMETER_REMOVALS = (
    "request-parameter-removed", "request-parameter-removed-with-deprecation",
    "request-parameter-removed-before-sunset", "request-parameter-sunset-parse",
)  # fmt: skip
_NEW_PARAMETERS = ("new-required-request-parameter", "new-optional-request-parameter")

_PARAMETERS = (
    _rule("new-required-request-parameter", _REQUEST, Effect.NARROWS, "calls that leave it out are refused",
          *_PARAMETER_REMOVALS),
    _rule("new-optional-request-parameter", _REQUEST, Effect.WIDENS, "calls may leave it out",
          *_PARAMETER_REMOVALS),
    _rule("request-parameter-removed", _REQUEST, Effect.UNDECIDED, _MAY_REFUSE, *_NEW_PARAMETERS),
    _rule("request-parameter-removed-with-deprecation", _REQUEST, Effect.UNDECIDED, "clients had notice",
          *_NEW_PARAMETERS, level=Level.INFO, departs="clients had notice, and most servers ignore it"),
    _rule("request-parameter-removed-before-sunset", _REQUEST, Effect.UNDECIDED,
          "clients were told that they have longer", *_NEW_PARAMETERS, level=Level.ERR,
          departs="it breaks the promise of notice"),
    _rule("request-parameter-sunset-parse", _REQUEST, Effect.UNDECIDED,
          "it was deprecated until a day that nobody can tell", *_NEW_PARAMETERS),
    _rule("request-parameter-allow-reserved-unset", _REQUEST, Effect.DIFFERS,
          "reserved characters are not taken as they are any more", "request-parameter-allow-reserved-set"),
    _rule("request-parameter-allow-reserved-set", _REQUEST, Effect.WIDENS, "reserved characters are taken as they are",
          "request-parameter-allow-reserved-unset"),
    _rule("request-parameter-allow-empty-unset", _REQUEST, Effect.NARROWS, "a name without a value is refused",
          "request-parameter-allow-empty-set"),
    _rule("request-parameter-allow-empty-set", _REQUEST, Effect.WIDENS, "a name without a value is accepted",
          "request-parameter-allow-empty-unset"),
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
    _rule("request-required-property-became-read-only", _REQUEST, Effect.UNDECIDED, _MAY_REFUSE,
          "request-required-property-became-not-read-only", "request-optional-property-became-not-read-only"),
    _rule("request-optional-property-became-read-only", _REQUEST, Effect.UNDECIDED, _MAY_REFUSE,
          "request-required-property-became-not-read-only", "request-optional-property-became-not-read-only"),
    _rule("request-required-property-became-not-read-only", _REQUEST, Effect.NARROWS, "bodies without it are refused",
          "request-required-property-became-read-only", "request-optional-property-became-read-only"),
    _rule("request-optional-property-became-not-read-only", _REQUEST, Effect.WIDENS, "bodies may have it",
          "request-required-property-became-read-only", "request-optional-property-became-read-only"),
    _rule("request-body-encoding-changed", _REQUEST, Effect.DIFFERS, "a field of the form is written differently",
          "request-body-encoding-changed"),
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
    _rule("response-required-property-became-write-only", _RESPONSE, Effect.WIDENS, "clients rely on it being there",
          "response-required-property-became-not-write-only", "response-optional-property-became-not-write-only"),
    _rule("response-optional-property-became-write-only", _RESPONSE, Effect.UNDECIDED,
          "it was never promised, often used",
          "response-required-property-became-not-write-only", "response-optional-property-became-not-write-only"),
    _rule("response-required-property-became-not-write-only", _RESPONSE, Effect.NARROWS,
          "one more property is promised",
          "response-required-property-became-write-only", "response-optional-property-became-write-only"),
    _rule("response-optional-property-became-not-write-only", _RESPONSE, Effect.NARROWS,
          "one more property is described",
          "response-required-property-became-write-only", "response-optional-property-became-write-only"),
    _rule("response-link-removed", _RESPONSE, Effect.UNDECIDED, "clients that follow it find nothing",
          "response-link-added"),
    _rule("response-link-added", _RESPONSE, Effect.NARROWS, "one more way to go on", "response-link-removed"),
    _rule("response-link-changed", _RESPONSE, Effect.UNDECIDED, "clients that follow it go elsewhere",
          "response-link-changed"),
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
    *(_rule(f"api-security-component-{what}-changed", _NONE, Effect.UNDECIDED, "clients get their tokens elsewhere",
            f"api-security-component-{what}-changed")
      for what in ("oauth-url", "oauth-token-url", "open-id-connect-url")),
    _rule("api-security-component-oauth-flow-removed", _NONE, Effect.NARROWS,
          "clients that get their tokens this way get none", "api-security-component-oauth-flow-added"),
    _rule("api-security-component-oauth-flow-added", _NONE, Effect.WIDENS, "one more way to get a token",
          "api-security-component-oauth-flow-removed"),
    _rule("api-security-component-oauth-scope-removed", _NONE, Effect.UNDECIDED,
          "clients that ask for the scope may get no token", "api-security-component-oauth-scope-added"),
    _rule("api-security-component-oauth-scope-added", _NONE, Effect.WIDENS, "one more scope to ask for",
          "api-security-component-oauth-scope-removed"),
    _rule("api-security-component-removed", _NONE, Effect.NOTHING, "what needs it says so at each operation",
          "api-security-component-added"),
    _rule("api-security-component-added", _NONE, Effect.NOTHING, "what needs it says so at each operation",
          "api-security-component-removed"),
)  # fmt: skip

_CALLED = (
    _rule("webhook-removed", _NONE, Effect.NARROWS, "clients wait for a call that does not come", "webhook-added"),
    _rule("webhook-added", _NONE, Effect.WIDENS, "clients may be called", "webhook-removed"),
    _rule("callback-removed", _NONE, Effect.NARROWS, "clients wait for a call that does not come", "callback-added"),
    _rule("callback-added", _NONE, Effect.WIDENS, "clients may be called", "callback-removed"),
)  # fmt: skip

# What the facets of lifecycle are called for an operation.
LIFE = {
    "deprecated": "endpoint-deprecated",
    "deprecated-with-sunset": "endpoint-deprecated-with-sunset",
    "reactivated": "endpoint-reactivated",
    "deprecated-sunset-missing": "api-deprecated-sunset-missing",
    "deprecated-sunset-invalid": "api-deprecated-sunset-parse",
    "sunset-date-too-small": "api-sunset-date-too-small",
    "sunset-deleted": "sunset-deleted",
    "sunset-set": "api-sunset-set",
    "sunset-date-changed-too-small": "api-sunset-date-changed-too-small",
    "sunset-postponed": "api-sunset-postponed",
    "stability-decreased": "api-stability-decreased",
    "stability-increased": "api-stability-increased",
    "invalid-stability-level": "api-invalid-stability-level",
}


def _of_operations() -> tuple[Rule, ...]:
    found = []
    for suffix, name in LIFE.items():
        facet = FACETS[suffix]
        level = dict(facet.levels).get(Direction.REQUEST)
        mirrors = tuple(LIFE[mirror] for mirror in facet.mirrors)
        departs = facet.departs if level else ""
        found.append(
            _rule(name, _NONE, facet.effect, facet.why, *mirrors, level=level, departs=departs, alone=facet.alone)
        )
    return tuple(found)


ROWS: tuple[Rule, ...] = (
    *_PATHS, *_of_operations(), *_PARAMETERS, *_REQUEST_BODY, *_RESPONSES, *_SECURITY, *_CALLED
)  # fmt: skip
