"""Rules about server URLs with variables."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from apigw_cli.lint.model import ERROR, Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import mapping

_VARIABLE_KEYS = ("enum", "default", "description", "examples")
# So many substitutions are tried at most: variables with many values multiply.
_SUBSTITUTIONS = 10_000


def _servers(subject: Subject) -> Iterator[Node]:
    owners = [subject.root, *(item for _, item in subject.items), *(each.node for each in subject.operations)]
    for owner in owners:
        servers = mapping(owner.data).get("servers")
        for index in range(len(servers) if isinstance(servers, list) else 0):
            yield owner.child("servers", index)
    links = mapping(mapping(subject.data.get("components")).get("links"))
    owned = [subject.root.child("components", "links", name) for name in links]
    for node in [*owned, *_links_of_responses(subject)]:
        link = subject.follow(node)
        if link is not None and "server" in mapping(link.data):
            yield link.child("server")


def _links_of_responses(subject: Subject) -> Iterator[Node]:
    responses = mapping(mapping(subject.data.get("components")).get("responses"))
    nodes = [subject.root.child("components", "responses", name) for name in responses]
    for operation in subject.operations:
        listed = mapping(operation.node.data.get("responses"))
        nodes += [operation.node.child("responses", code) for code in listed]
    for node in nodes:
        response = subject.follow(node)
        if response is not None:
            for name in mapping(mapping(response.data).get("links")):
                yield response.child("links", name)


@rule(
    "oas3-server-variables",
    "Server variables must be declared and used.",
    on=On.DOCUMENT,
    severity=ERROR,
    summary="The {variables} of a server's URL are declared with defaults, all of them used, and make valid URLs.",
    why="A variable without a declaration cannot be filled in; one without a default has no value at all.",
    fix="Declare each {name} of the URL below variables, with a default that is in its enum.",
)
def oas3_server_variables(subject: Subject) -> Iterator[Hit]:
    for node in _servers(subject):
        server = subject.follow(node)
        if server is not None:
            for steps, message in _of_server(server.data):
                yield Hit.at(server, *steps, message=message)


def _is_valid(server: Any) -> bool:
    if not isinstance(server, dict) or not isinstance(server.get("url"), str):
        return False
    variables = server.get("variables", {})
    return isinstance(variables, dict) and all(map(_is_variable, variables.values()))


def _is_variable(variable: Any) -> bool:
    if not isinstance(variable, dict):
        return False
    if any(key not in _VARIABLE_KEYS and not key.startswith("x-") for key in variable):
        return False
    texts = [variable[key] for key in ("default", "description", "examples") if key in variable]
    options = variable.get("enum", [])
    return isinstance(options, list) and all(isinstance(each, str) for each in [*texts, *options])


def _of_server(server: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if not _is_valid(server):
        yield (), "Invalid Server Object"
        return
    url: str = server["url"]
    used = re.findall(r"\{(.+?)\}", url)
    variables: dict[str, dict[str, Any]] = server.get("variables", {})
    for name in variables:
        if name not in used:
            yield ("variables", name), f'Server\'s "variables" object has unused defined "{name}" url variable.'
    if not used:
        return
    missing = [name for name in used if name not in variables]
    if missing:
        listed = ", ".join(missing)
        yield ("variables",), f'Not all server\'s variables are described with "variables" object. Missed: {listed}.'
    if "variables" not in server:
        return
    choices = {name: _choices(variable) for name, variable in variables.items() if name in used}
    for name in choices:
        yield from _of_variable(name, variables[name])
    yield from _substituted(url, choices)


def _of_variable(name: str, variable: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    default, options = variable.get("default"), variable.get("enum")
    if options is not None and default is not None and default not in options:
        message = f'Server Variable "{name}" has a default not listed in the enum.'
        yield ("variables", name, "default"), message
    if default is None:
        yield ("variables", name), f'Server Variable "{name}" has a missing default.'


def _choices(variable: dict[str, Any]) -> list[str]:
    if "enum" in variable:
        return list(variable["enum"])
    return [variable["default"]] if "default" in variable else []


def _substituted(url: str, choices: dict[str, list[str]]) -> Iterator[tuple[tuple[str, ...], str]]:
    if not choices:
        return
    wrong: list[str] = []
    for values in islice(product(*choices.values()), _SUBSTITUTIONS):
        made = url
        for name, value in zip(choices, values, strict=True):
            made = made.replace("{" + name + "}", urllib.parse.quote(value, safe=";,/?:@&=+$-_.!~*'()#"))
        if not _is_url(made):
            wrong.append(made)
            if len(wrong) == 5:
                break
    if len(wrong) == 5:
        listed = ", ".join(wrong)
        message = f"At least 5 substitutions of server variables resulted in invalid URLs: {listed} and more"
        yield ("variables",), message
    elif wrong:
        message = f"A few substitutions of server variables resulted in invalid URLs: {', '.join(wrong)}"
        yield ("variables",), message


def _is_url(text: str) -> bool:
    """As WHATWG's URL parser takes it: absolute, with a host where it is a web address, the port a number."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", text.strip(), re.DOTALL)
    if not found:
        return False
    if found[1].lower() not in ("http", "https", "ws", "wss", "ftp"):
        return True
    authority = re.split(r"[/\\?#]", found[2].lstrip("/\\"), maxsplit=1)[0].rpartition("@")[2]
    host, _, port = authority.rpartition(":") if re.search(r":[^\]]*$", authority) else (authority, "", "")
    if not host or re.search(r"[\s#%/:<>?@\[\\\]^|]", urllib.parse.unquote(host).strip("[]").replace(":", "")):
        return False
    return not port or (port.isdigit() and port.isascii() and int(port) < 65536)
