"""The OWASP API Security Top 10 (2023) for OpenAPI: the 30 rules that Spectral's users know by these names.

Each is written down as a ruleset would have it: where to look, and what must hold there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from apigw_cli.lint.aliases import BUILT_IN, expand
from apigw_cli.lint.functions import MAKERS, Context, Fault, Function
from apigw_cli.lint.given import Definition, Then
from apigw_cli.lint.model import ERROR, INFO, OAS, OAS2, OAS3, WARN, On, Rule, Severity, reported_by_engine
from apigw_cli.openapi.operations import mapping

_V30, _V31 = frozenset({"3.0"}), frozenset({"3.1", "3.2"})
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_DOCS = "https://owasp.org/API-Security/editions/2023/en/0x11-t10/"
_CREDENTIALS = "/^.*(client_?secret|token|access_?token|refresh_?token|id_?token|password|secret|api-?key).*$/i"
_STAGES = "/(local|sandbox|alpha|beta|test|testing|stag|staging|prod|production|next|preprod|preproduction)/i"
_OPEN_MAPPINGS = "Whatever a caller adds is bound to the object unless it is refused: mass assignment."
_ALL_RESPONSES = "$.paths..responses"


# --- functions of their own


def _operations(document: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in mapping(mapping(document).get("paths")).items():
        for method, operation in mapping(item).items():
            if method in _METHODS and isinstance(operation, dict):
                yield path, method, operation


def _secured(*methods: str) -> Function:
    """Every operation with one of the methods requires something, itself or by the document's default."""

    def check(value: Any, context: Context) -> Iterable[Fault]:
        default = mapping(value).get("security")
        for path, method, operation in _operations(value):
            if method not in methods:
                continue
            inherited = "security" not in operation
            security = default if inherited else operation["security"]
            if not security and security != {}:
                where = "$.security" if inherited else f"{path},{method}"
                message = f"Operation has undefined security scheme in {where}."
                yield Fault(message, ("paths", path, method, "security"))

    return check


def _unlike_others(marker: str) -> Function:
    """Operations below a path with `marker` require something else than all others."""

    def check(value: Any, context: Context) -> Iterable[Fault]:
        others: set[str] = set()
        marked: list[tuple[str, str, Fault]] = []
        for path, method, operation in _operations(value):
            security = operation.get("security")
            for index, requirement in enumerate(security if isinstance(security, list) else ()):
                if not isinstance(requirement, dict | list):
                    continue
                text = json.dumps(requirement)
                if marker in path:
                    message = f"Admin endpoint {path} has the same security requirement as a non-admin endpoint."
                    marked.append((path, text, Fault(message, ("paths", path, method, "security", index))))
                else:
                    others.add(text)
        return [fault for _, text, fault in marked if text in others]

    return check


# --- the table


def _then(function: str, options: Any = None, field: str = "") -> Then:
    return Then(MAKERS[function](options), field)


def _needs_one(*sets: tuple[str, ...], word: str = "anyOf") -> dict[str, Any]:
    return {"schema": {"type": "object", word: [{"required": list(names)} for names in sets]}}


def _rule(
    name: str,
    message: str,
    why: str,
    given: str | tuple[str, ...],
    *thens: Then,
    severity: Severity = ERROR,
    formats: frozenset[str] = OAS,
) -> Rule:
    expressions = (given,) if isinstance(given, str) else given
    by_version = {
        version: tuple(path for each in expressions for path in expand(each, BUILT_IN, version)) for version in OAS
    }
    definition = Definition(by_version, thens, message, message)
    return Rule(
        f"owasp:{name}", message, message, why, f"See {_DOCS}.", reported_by_engine, On.GIVEN, severity, formats,
        True, "owasp:api", (), definition,
    )  # fmt: skip


def _missing_status(name: str, status: str, message: str, why: str) -> Rule:
    thens = (_then("truthy", field=status), _then("truthy", field=f"{status}.content"))
    return _rule(name, message, why, _ALL_RESPONSES, *thens, severity=WARN)


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """All of them; made when first asked for."""
    parts: tuple[Callable[[], list[Rule]], ...] = (
        *(_access, _authentication, _tokens, _protection, _properties),
        *(_resources, _sizes, _integers, _configuration, _errors, _inventory),
    )
    return tuple(rule for part in parts for rule in part())


def _access() -> list[Rule]:
    not_a_number = {"schema": {"type": "object", "not": {"properties": {"type": {"const": "integer"}}}}}
    return [
        _rule(
            "api1:2023-no-numeric-ids",
            "Use random IDs that cannot be guessed. UUIDs are preferred but any other random string will do.",
            "IDs that count up let a caller try out those of others.",
            '$.paths..parameters[*][?(@property === "name" && (@ === "id" || @.match(/(_id|Id|-id)$/)))]^.schema',
            _then("schema", not_a_number),
        ),
        _rule(
            "api5:2023-admin-security-unique",
            "{{error}}",
            "Who may do what everybody does may not do what administrators do.",
            "$",
            Then(_unlike_others("/admin")),
        ),
        _rule(
            "api7:2023-concerning-url-parameter",
            "Make sure to review the way this URL is handled to protect against Server Side Request Forgery.",
            "A server that fetches a URL a caller names can be sent where the caller cannot go.",
            (
                "$.paths[*].parameters[*].name",
                "$.paths[*][get,put,post,delete,options,head,patch,trace].parameters[*].name",
            ),
            _then("pattern", {"notMatch": "/(^(callback|redirect)|(_url|Url|-url))$/"}),
            severity=INFO,
        ),
    ]


def _authentication() -> list[Rule]:
    return [
        _rule(
            "api2:2023-no-http-basic",
            "Security scheme uses HTTP Basic. Use a more secure authentication method, like OAuth 2, or OpenID.",
            "Basic sends the password itself with every request.",
            "$.components.securitySchemes[*]",
            _then("pattern", {"notMatch": "basic"}, "scheme"),
        ),
        _rule(
            "api2:2023-no-api-keys-in-url",
            "API Key passed in URL: {{error}}.",
            "URLs end up in logs and histories.",
            '$..[securitySchemes][?(@ && @.type=="apiKey")].in',
            _then("pattern", {"notMatch": "^(path|query)$"}),
            formats=OAS3,
        ),
        _rule(
            "api2:2023-no-credentials-in-url",
            "Security credentials detected in path parameter: {{value}}.",
            "URLs end up in logs and histories.",
            "$..parameters[?(@ && @.in && @.in.match(/query|path/))].name",
            _then("pattern", {"notMatch": _CREDENTIALS}, "name"),
            formats=OAS3,
        ),
        _rule(
            "api2:2023-auth-insecure-schemes",
            "Authentication scheme is considered outdated or insecure: {{value}}.",
            "IANA's registry of schemes lists some that nobody should use any more.",
            '$..[securitySchemes][?(@.type=="http")].scheme',
            _then("pattern", {"notMatch": "^(negotiate|oauth)$"}),
            formats=OAS3,
        ),
    ]


def _tokens() -> list[Rule]:
    return [
        _rule(
            "api2:2023-jwt-best-practices",
            "Security schemes using JWTs must explicitly declare support for RFC8725 in the description.",
            "RFC 8725 says what to check of a token, or it can be forged.",
            (
                '$.components.securitySchemes[?(@ && @.type=="oauth2")]',
                '$.components.securitySchemes[?(@ && (@.bearerFormat=="jwt" || @.bearerFormat=="JWT"))]',
            ),
            _then("truthy", field="description"),
            _then("pattern", {"match": ".*RFC8725.*"}, "description"),
        ),
        _rule(
            "api2:2023-short-lived-access-tokens",
            "Authentication scheme does not appear to support refresh tokens, "
            "meaning access tokens likely do not expire.",
            "A token that leaked is worth the less the sooner it ends.",
            '$.components.securitySchemes[?(@ && @.type=="oauth2")].flows.*',
            _then("truthy", field="refreshUrl"),
        ),
    ]


def _protection() -> list[Rule]:
    return [
        _rule(
            "api2:2023-write-restricted",
            "This write operation is not protected by any security scheme.",
            "Without credentials anybody may change what is there.",
            "$",
            Then(_secured("post", "put", "patch", "delete")),
        ),
        _rule(
            "api2:2023-read-restricted",
            "This read operation is not protected by any security scheme.",
            "Without credentials anybody may read what is there.",
            "$",
            Then(_secured("get", "head")),
            severity=WARN,
        ),
    ]


def _properties() -> list[Rule]:
    found = []
    for keyword, formats in (("additionalProperties", _V30), ("unevaluatedProperties", _V31)):
        found += [
            _rule(
                f"api3:2023-no-{keyword}",
                f"If the {keyword} keyword is used it must be set to false.",
                _OPEN_MAPPINGS,
                f'$..[?(@ && @.type=="object" && @.{keyword})]',
                _then("falsy", field=keyword),
                severity=WARN,
                formats=formats,
            ),
            _rule(
                f"api3:2023-constrained-{keyword}",
                f"Objects should not allow unconstrained {keyword}.",
                _OPEN_MAPPINGS,
                f'$..[?(@ && @.type=="object" && @.{keyword} &&  @.{keyword}!=true &&  @.{keyword}!=false )]',
                _then("defined", field="maxProperties"),
                severity=WARN,
                formats=formats,
            ),
        ]
    return found


def _resources() -> list[Rule]:
    limits = _needs_one(
        ("RateLimit",), ("RateLimit-Limit", "RateLimit-Reset"), ("X-RateLimit-Limit",), ("X-Rate-Limit-Limit",),
        word="oneOf",
    )  # fmt: skip
    return [
        _rule(
            "api4:2023-rate-limit",
            "All 2XX and 4XX responses should define rate limiting headers.",
            "A caller that knows its limit can keep to it; a server without one can be worn out.",
            "$.paths[*]..responses[?(@property.match(/^(2|4)/))]",
            _then("schema", limits, "headers"),
            formats=OAS3,
        ),
        _rule(
            "api4:2023-rate-limit-retry-after",
            "A 429 response should define a Retry-After header.",
            "Callers that are not told when to come back come back at once.",
            "$..responses[429].headers",
            _then("defined", field="Retry-After"),
            formats=OAS3,
        ),
        _missing_status(
            "api4:2023-rate-limit-responses-429",
            "429",
            "Operation is missing rate limiting response in {{property}}.",
            "Callers must expect to be limited, and know what the refusal looks like.",
        ),
    ]


def _sizes() -> list[Rule]:
    return [
        _rule(
            "api4:2023-array-limit",
            "Schema of type array must specify maxItems.",
            "A list without end fills the memory of whoever reads it.",
            "#ArrayProperties",
            _then("defined", field="maxItems"),
        ),
        _rule(
            "api4:2023-string-limit",
            "Schema of type string must specify maxLength, enum, or const.",
            "A text without end fills the memory of whoever reads it.",
            "#StringProperties",
            _then("schema", _needs_one(("maxLength",), ("enum",), ("const",))),
        ),
        _rule(
            "api4:2023-string-restricted",
            "Schema of type string should specify a format, pattern, enum, or const.",
            "What may be anything must be checked by whoever reads it.",
            "#StringProperties",
            _then("schema", _needs_one(("format",), ("pattern",), ("enum",), ("const",))),
            severity=WARN,
        ),
    ]


def _integers() -> list[Rule]:
    message, why = (
        "Schema of type integer must specify minimum and maximum.",
        "A page of a billion items is one request.",
    )
    return [
        _rule(
            "api4:2023-integer-limit",
            message,
            why,
            "#IntegerProperties",
            _then("xor", {"properties": ["minimum", "exclusiveMinimum"]}),
            _then("xor", {"properties": ["maximum", "exclusiveMaximum"]}),
            formats=_V31,
        ),
        _rule(
            "api4:2023-integer-limit-legacy",
            message,
            why,
            "#IntegerProperties",
            _then("defined", field="minimum"),
            _then("defined", field="maximum"),
            formats=OAS2 | _V30,
        ),
        _rule(
            "api4:2023-integer-format",
            "Schema of type integer must specify format (int32 or int64).",
            "A number that is too large for its reader wraps around or fails.",
            "#IntegerProperties",
            _then("defined", field="format"),
        ),
    ]


def _configuration() -> list[Rule]:
    encrypted = {"schema": {"type": "string", "enum": ["https", "wss"]}}
    return [
        _rule(
            "api8:2023-define-cors-origin",
            "Header `{{property}}` should be defined on all responses.",
            "It says which web sites may read the answers.",
            "$..headers",
            _then("truthy", field="Access-Control-Allow-Origin"),
        ),
        _rule(
            "api8:2023-no-scheme-http",
            "Server schemes must not use http. Use https or wss instead.",
            "Without TLS everybody on the way reads along.",
            "$.schemes.*",
            _then("schema", encrypted),
            formats=OAS2,
        ),
        _rule(
            "api8:2023-no-server-http",
            "Server URLs must not use http://. Use https:// or wss:// instead.",
            "Without TLS everybody on the way reads along.",
            "$.servers..url",
            _then("pattern", {"notMatch": "/^http:/"}),
            formats=OAS3,
        ),
    ]


def _errors() -> list[Rule]:
    missing = "Operation is missing {{property}}."
    errors = "An error that nobody designed shows what is inside: stack traces, names, versions."
    return [
        _rule(
            "api8:2023-define-error-validation",
            "Missing error response of either 400, 422 or 4XX.",
            errors,
            _ALL_RESPONSES,
            _then("schema", _needs_one(("400",), ("422",), ("4XX",))),
            severity=WARN,
        ),
        _missing_status("api8:2023-define-error-responses-401", "401", missing, errors),
        _missing_status("api8:2023-define-error-responses-500", "500", missing, errors),
    ]


def _inventory() -> list[Rule]:
    return [
        _rule(
            "api9:2023-inventory-access",
            "Declare intended audience of every server by defining servers{{property}} as true/false.",
            "What is meant for inside only should be known as such.",
            "$.servers.*",
            _then("defined", field="x-internal"),
            formats=OAS3,
        ),
        _rule(
            "api9:2023-inventory-environment",
            "Declare intended environment in server descriptions using terms like local, staging, production.",
            "A forgotten test server with real data is the easiest way in.",
            "$.servers.*",
            _then("pattern", {"match": _STAGES}, "description"),
            formats=OAS3,
        ),
    ]
