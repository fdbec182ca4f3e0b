"""The rule `gateway-foreign-template`: values of requests as other gateways write them, which are plain text here.

What each means there is said in its documentation: nginx "Alphabetical index of variables", AWS "Parameter mapping" and
"$context variables", Kong "request-transformer", Envoy "Access logging", Azure "Policy expressions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from apigw_cli.config import template
from apigw_cli.errors import Place
from apigw_cli.lint.model import On, PlacedHit, rule

_POLICIES = ("redirect", "request", "request_headers", "response")
_MOST = 200  # findings: one habit is often the same at many routes
_PLAIN = {
    "remote_addr": "request.ip",
    "host": "request.host",
    "http_host": "request.host",
    "uri": "request.path",
    "document_uri": "request.path",
    "request_uri": "request.path",
    "request_method": "request.method",
    "request_id": "request.id",
    "remote_user": "auth.principal",
    "context.requestId": "request.id",
    "context.identity.sourceIp": "request.ip",
    "context.http.sourceIp": "request.ip",
    "context.httpMethod": "request.method",
    "context.http.method": "request.method",
    "context.path": "request.path",
    "context.http.path": "request.path",
    "context.domainName": "request.host",
    "context.authorizer.principalId": "auth.principal",
    "request.method": "request.method",
    "request.path": "request.path",
    "request.body": "request.body",
    "DOWNSTREAM_REMOTE_ADDRESS": "request.ip",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": "request.ip",
}
_KINDS = {
    **dict.fromkeys(("http", "header", "headers", "REQ"), "request.header"),
    **dict.fromkeys(("arg", "querystring", "query", "query_params"), "request.query"),
    **dict.fromkeys(("cookie", "cookies"), "request.cookie"),
    **dict.fromkeys(("path", "uri_captures"), "request.path"),
    **dict.fromkeys(("sent_http", "upstream_http"), "response.header"),
}
_NAME = r"[A-Za-z0-9_-]+"
# Each: whose it is, how it is written, and what to write here ('' where that cannot be told).
_HABITS: tuple[tuple[str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (
        "nginx",
        re.compile(r"\$(sent_http|upstream_http|http|arg|cookie)_([a-z0-9_]+)"),
        lambda m: _kind(m[1], m[2], underscores=True),
    ),
    (
        "nginx",
        re.compile(r"\$(remote_addr|host|document_uri|uri|request_uri|request_method|request_id|remote_user)\b"),
        lambda m: _PLAIN[m[1]],
    ),
    ("AWS", re.compile(r"\$context\.authorizer\.(?:jwt\.)?claims\.([\w-]+)"), lambda m: f"auth.claim.{m[1]}"),
    (
        "AWS",
        re.compile(rf"(?:\$|\bmethod\.|\bintegration\.)request\.(header|querystring|path)\.({_NAME})"),
        lambda m: _kind(m[1], m[2]),
    ),
    ("AWS", re.compile(r"\$((?:context|request)\.[A-Za-z.]+\b)"), lambda m: _PLAIN.get(m[1], "")),
    ("AWS", re.compile(r"\$stageVariables\.(\w+)"), lambda m: m[1]),
    (
        "AWS",
        re.compile(r"\$input\.(?:path|json)\(['\"]\$\.?([\w.]*)['\"]\)"),
        lambda m: "request.body" + "".join(f"/{step}" for step in m[1].split(".") if step),
    ),
    (
        "Kong",
        re.compile(rf"\$\((headers|query_params|uri_captures)[.\[]['\"]?({_NAME})['\"]?\]?\)"),
        lambda m: _kind(m[1], m[2]),
    ),
    ("Envoy", re.compile(rf"%(REQ)\(({_NAME})\)%"), lambda m: _kind(m[1], m[2])),
    ("Envoy", re.compile(r"%(DOWNSTREAM_REMOTE_ADDRESS(?:_WITHOUT_PORT)?)%"), lambda m: _PLAIN[m[1]]),
    ("Azure", re.compile(r"@\(context\.[^()]*(?:\([^()]*\))?\)"), lambda _: ""),
    (
        "a template engine",
        re.compile(rf"\{{\{{\s*[$.]?(?:request\.)?(headers?|query_params|query|cookies?)\.({_NAME})\s*\}}\}}"),
        lambda m: _kind(m[1], m[2]),
    ),
    ("a template engine", re.compile(r"\{\{[^{}\n]*\}\}"), lambda _: ""),
)


@rule(
    "gateway-foreign-template",
    "A value is written as another gateway writes it; here it is plain text.",
    on=On.GATEWAY,
    family="apigw:gateway",
    summary="Values of requests are written as ${request.…}, not as nginx, AWS, Kong or Envoy write them.",
    why="$http_x, $context.…, $(headers.x) and {{ … }} mean nothing here: just these characters are sent.",
    fix="Write ${request.header.X}, ${request.query.x}, ${request.ip} …; ignore this where the text is meant.",
)
def gateway_foreign_template(stage: Any) -> Iterator[PlacedHit]:
    written = dict(_written(stage))
    if not written:
        return
    exact: dict[str, list[Place]] = {}
    for steps, place in stage.config.values.items():
        text = _at(stage.config.data, steps)
        if isinstance(text, str) and text in written:
            exact.setdefault(text, []).append(place)
    hits = ((place, text) for text, origin in written.items() for place in exact.get(text, [origin]))
    for place, text in sorted(hits)[:_MOST]:
        yield PlacedHit(place, _said(text))


def _written(stage: Any) -> Iterator[tuple[str, Place]]:
    """Each text of a policy with such a value in it, and where that policy was set."""
    for route in stage.compiled.snapshot.routes:
        for name in _POLICIES:
            for text in _texts(route.policies.get(name)):
                if _found(text) is not None:
                    origins = stage.compiled.provenance.of(route.id, f"policies.{name}")
                    yield text, origins[0].place if origins and origins[0].place else stage.place("apis", route.api)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _found(text: str) -> tuple[str, re.Match[str], str] | None:
    """The first such value outside of our own: whose habit, what stands there, and what to write."""
    for literal in template.parts(text):
        for owner, pattern, meant in _HABITS if isinstance(literal, str) else ():
            match = pattern.search(str(literal))
            if match is not None:
                return owner, match, meant(match)
    return None


def _said(text: str) -> str:
    found = _found(text)
    assert found is not None
    owner, match, meant = found
    instead = f"${{{meant}}}" if meant else "${request.…}, ${auth.…} or ${response.…}"
    return f"{match[0]} is how {owner} writes a value; here it is plain text: write {instead}"


def _kind(kind: str, name: str, underscores: bool = False) -> str:
    """`request.header.X-Tenant` of `http` and `x_tenant`."""
    word = _KINDS[kind if kind in _KINDS else kind.rstrip("s")]
    if word.endswith(".header"):
        name = "-".join(part.capitalize() for part in (name.replace("_", "-") if underscores else name).split("-"))
    return f"{word}.{name}"


def _at(data: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data
