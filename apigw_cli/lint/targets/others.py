"""Kong, nginx, Envoy and Google's API Gateway: what each cannot take from a specification."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from apigw_cli.lint.model import ERROR, INFO, OAS2, OAS3, Hit, On
from apigw_cli.lint.subject import Subject
from apigw_cli.lint.targets import common
from apigw_cli.openapi.operations import mapping

_kong = common.target_rules("kong", "Kong", "deck file openapi2kong")
_nginx = common.target_rules("nginx", "nginx", "ngx_http_core_module; docs/generate.md")
_envoy = common.target_rules("envoy", "Envoy", "path templates, uri_template_match.proto")
_google = common.target_rules("google", "Google API Gateway", "OpenAPI feature limitations")


def _kong_scheme(data: dict[str, Any]) -> str | None:
    kind = data.get("type")
    return None if kind == "openIdConnect" else f"type {kind} is not converted to a plugin"


def _servers(subject: Subject) -> Iterator[Hit]:
    """Servers that differ by more than host and port: a Kong service has one scheme and one path."""
    listed = subject.data.get("servers")
    urls = [str(mapping(server).get("url", "")) for server in (listed if isinstance(listed, list) else ())]
    parts = [urllib.parse.urlsplit(re.sub(r"[\[\]]", "", url)) for url in urls]
    for index, (first, other) in enumerate(zip(parts[:1] * len(parts), parts, strict=True)):
        if (first.scheme, first.path.rstrip("/")) != (other.scheme, other.path.rstrip("/")):
            message = f"{urls[index]} differs from {urls[0]} by more than host and port"
            yield subject.hit("servers", index, "url", message=message)


def _nginx_scheme(data: dict[str, Any]) -> str | None:
    kind = data.get("type")
    if kind == "apiKey" or (kind == "http" and str(data.get("scheme", "")).lower() == "basic") or kind == "mutualTLS":
        return None
    return f"type {kind} cannot be checked by nginx itself"


def _envoy_scheme(data: dict[str, Any]) -> str | None:
    scheme = str(data.get("scheme", "")).lower()
    if data.get("type") == "http" and scheme not in ("basic", "bearer"):
        return f"HTTP authentication of scheme {scheme!r} has no filter"
    return None


def _envoy_variables(subject: Subject) -> Iterator[Hit]:
    for path in mapping(subject.data.get("paths")):
        if path.startswith("x-"):
            continue
        names = [name.removesuffix("+") for name in common.VARIABLE.findall(path)]
        bad = [name for name in names if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,15}", name)]
        message = ""
        if bad:
            message = f'"{bad[0]}" is no name of a variable: a letter, then letters, digits and _, 16 in all'
        elif len(names) > 5:
            message = f"{len(names)} variables in a path are more than 5"
        elif len(set(names)) < len(names):
            message = "a variable stands in the path twice"
        if message:
            yield subject.hit("paths", path, message=message, on_key=True)


def _envoy_segments(subject: Subject) -> Iterator[Hit]:
    """A variable that begins inside a segment; text behind one may end the path, and nothing else."""
    for path in mapping(subject.data.get("paths")):
        parts = path.split("/")
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            if "{" in part and not re.fullmatch(r"\{[^{}]*\}" + ("[^{}]*" if last else ""), part):
                yield subject.hit("paths", path, message=f'"{part}" is only in part a variable', on_key=True)
                break


def _key_alternatives(subject: Subject) -> Iterator[Hit]:
    keys = {node.path[-1] for node, data in common.schemes(subject) if data.get("type") == "apiKey"}
    for owner in (subject.root, *(operation.node for operation in subject.operations)):
        listed = mapping(owner.data).get("security")
        if isinstance(listed, list) and len(listed) > 1 and any(keys & set(mapping(one)) for one in listed):
            yield Hit.at(owner, "security", message="an API key cannot be one choice of several", on_key=True)


def _ports(subject: Subject) -> Iterator[Hit]:
    if re.search(r":\d+$", str(subject.data.get("host", ""))):
        yield subject.hit("host", message="the host may not name a port")


_SEGMENT = "Every path variable is a segment of its own."
_MAKE_WHOLE = "Make the variable a segment of its own."

KONG = (
    _kong("openapi-version", common.versions("3.0", "3.1"), "The document is OpenAPI 3.0 or 3.1.",
          "The converter reads OpenAPI 3.", "Convert it to OpenAPI 3.", severity=ERROR),
    _kong("security-type", common.scheme_check(_kong_scheme), "Every security scheme is OpenID Connect.",
          "With --generate-security only openIdConnect becomes a plugin; every other type is an error.",
          "Configure the plugin with x-kong-plugin-… and convert with --ignore-security-errors.", formats=OAS3),
    _kong("security-alternatives", common.alternatives, "No operation has a choice of security schemes.",
          "One requirement with one scheme is converted, neither AND nor OR.", "Keep one scheme."),
    _kong("servers", _servers, "Servers differ by host and port alone.",
          "They become the targets of one service, which has one scheme and one path.",
          "Keep servers of one scheme and path.", formats=OAS3),
    _kong("greedy-paths", common.greedy_paths, "No path variable takes the rest of the path.",
          "A variable becomes a group that matches one segment.", "Write the route's path by hand."),
)  # fmt: skip

NGINX = (
    _nginx("security-type", common.scheme_check(_nginx_scheme),
           "Every security scheme is an API key, Basic or a client's certificate.",
           "nginx without NGINX Plus checks no JWT and asks no OAuth server.",
           "Check the token behind nginx, or with auth_request."),
    _nginx("methods", common.method("TRACE"), "No operation has the method TRACE.",
           "nginx answers TRACE with 405 itself.", "Remove it.", on=On.OPERATION, severity=ERROR),
    _nginx("validation", lambda subject: _bodies(subject), "Nothing relies on nginx to validate requests.",
           "nginx has no JSON Schema.", "Validate in the backend.", severity=INFO),
)  # fmt: skip

ENVOY = (
    _envoy("whole-segments", _envoy_segments, _SEGMENT, "A path template's variable begins a segment; text may follow "
           "it in the last one only.", _MAKE_WHOLE, severity=ERROR),
    _envoy("variables", _envoy_variables, "Paths have five variables at most, with short and plain names.",
           "A template may have 5 variables; a name is a letter and up to 15 letters, digits or _.",
           "Rename the variable, or match the path by a regular expression.", severity=ERROR),
    _envoy("path-characters",
           common.characters(r"A-Za-z0-9\-._~%!$&'()+,;:@", "the characters of RFC 3986 less * and ="),
           "Paths hold no * and no =.", "A template's literals take the other characters of a segment only.",
           "Rename the path.", severity=ERROR),
    _envoy("security-type", common.scheme_check(_envoy_scheme), "Every HTTP scheme is Basic or Bearer.",
           "There are filters for Basic, for JWTs, for API keys and for OAuth 2.",
           "Ask a service of your own with ext_authz."),
    _envoy("validation", lambda subject: _bodies(subject), "Nothing relies on Envoy to validate requests.",
           "Envoy has no filter for JSON Schema.", "Validate in the backend.", severity=INFO),
)  # fmt: skip

GOOGLE = (
    _google("whole-segments", common.partial_segments, _SEGMENT, "Other paths are refused.", _MAKE_WHOLE,
            severity=ERROR),
    _google("external-references", common.external_references, "No reference leads to another file.",
            "Such a document is refused.", "Bundle the document into one file.", on=On.KEYS, keys=("$ref",),
            severity=ERROR),
    _google("key-alternatives", _key_alternatives, "No API key is one choice of several.",
            "Alternatives are not supported where one of them is an API key.", "Keep one requirement.",
            severity=ERROR),
    _google("host-port", _ports, "The host names no port.", "Custom ports are not allowed.", "Leave the port out.",
            formats=OAS2, severity=ERROR),
    _google("validation", lambda subject: _bodies(subject), "Nothing relies on the gateway to validate requests.",
            "Parameters and types are accepted and not enforced.", "Validate in the backend.", severity=INFO),
)  # fmt: skip


def _bodies(subject: Subject) -> Iterator[Hit]:
    for operation in subject.operations:
        if operation.node.data.get("requestBody") or operation.node.data.get("parameters"):
            yield subject.hit("paths", message="requests will not be validated", on_key=True)
            return
