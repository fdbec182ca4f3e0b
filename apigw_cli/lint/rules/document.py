"""Rules about what stands at a document's root: info, tags, servers and Swagger 2's host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, rule
from apigw_cli.lint.subject import Subject
from apigw_cli.openapi.operations import mapping


def _lacks(subject: Subject, *steps: str) -> Iterator[Hit]:
    """A hit where the value at `steps` is missing or empty: there, or at its nearest ancestor."""
    node: Any = subject.data
    for length, step in enumerate(steps):
        if not isinstance(node, dict) or step not in node:
            yield subject.hit(*steps[:length])
            return
        node = node[step]
    if not node and not isinstance(node, dict | list):
        yield subject.hit(*steps)


@rule(
    "info-contact",
    'Info object must have "contact" object.',
    on=On.DOCUMENT,
    summary="The document says whom to ask.",
    why="Whoever calls an API needs somebody to turn to.",
    fix="Add info.contact with a name and an e-mail address or URL.",
)
def info_contact(subject: Subject) -> Iterator[Hit]:
    return _lacks(subject, "info", "contact")


@rule(
    "info-description",
    'Info "description" must be present and non-empty string.',
    on=On.DOCUMENT,
    summary="The document says what the API is for.",
    why="It is the first that a reader of the documentation sees.",
    fix="Add info.description, a few sentences of Markdown.",
)
def info_description(subject: Subject) -> Iterator[Hit]:
    return _lacks(subject, "info", "description")


@rule(
    "info-license",
    'Info object must have "license" object.',
    on=On.DOCUMENT,
    recommended=False,
    summary="The document says under which licence it may be used.",
    why="Without one nobody may copy it.",
    fix="Add info.license with a name.",
)
def info_license(subject: Subject) -> Iterator[Hit]:
    return _lacks(subject, "info", "license")


@rule(
    "license-url",
    'License object must include "url".',
    on=On.DOCUMENT,
    recommended=False,
    summary="The licence has a URL.",
    why="A name alone may mean several versions of a licence.",
    fix="Add info.license.url.",
)
def license_url(subject: Subject) -> Iterator[Hit]:
    return _lacks(subject, "info", "license", "url")


@rule(
    "contact-properties",
    'Contact object must have "name", "url" and "email".',
    on=On.DOCUMENT,
    recommended=False,
    summary="The contact has a name, a URL and an e-mail address.",
    why="Which of them works depends on who is asking, and when.",
    fix="Add what is missing.",
)
def contact_properties(subject: Subject) -> Iterator[Hit]:
    contact = mapping(subject.data.get("info")).get("contact")
    if isinstance(contact, dict):
        for key in ("name", "url", "email"):
            yield from _lacks(subject, "info", "contact", key)


@rule(
    "openapi-tags",
    'OpenAPI object must have non-empty "tags" array.',
    on=On.DOCUMENT,
    recommended=False,
    summary="The document declares tags.",
    why="Documentation groups and orders operations by them.",
    fix="Add tags: [{name: …, description: …}].",
)
def openapi_tags(subject: Subject) -> Iterator[Hit]:
    tags = subject.data.get("tags")
    if not isinstance(tags, list) or not tags:
        yield subject.hit(*(("tags",) if "tags" in subject.data else ()))


@rule(
    "openapi-tags-uniqueness",
    '"tags" object contains duplicate tag name.',
    on=On.DOCUMENT,
    severity=ERROR,
    summary="No tag is declared twice.",
    why="The specification forbids it: which description holds?",
    fix="Remove one of them.",
)
def openapi_tags_uniqueness(subject: Subject) -> Iterator[Hit]:
    tags = subject.data.get("tags")
    seen: set[str] = set()
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        name = mapping(tag).get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            yield subject.hit("tags", index, "name", message=f'"tags" object contains duplicate tag name "{name}".')
        seen.add(name)


@rule(
    "openapi-tags-alphabetical",
    'OpenAPI object must have alphabetical "tags".',
    on=On.DOCUMENT,
    recommended=False,
    summary="The tags are declared in alphabetical order.",
    why="A long list is easier to keep in order than to search.",
    fix="Sort them by name.",
)
def openapi_tags_alphabetical(subject: Subject) -> Iterator[Hit]:
    tags = subject.data.get("tags")
    names = [str(mapping(tag).get("name", "")) for tag in tags] if isinstance(tags, list) else []
    if any(a.casefold() > b.casefold() for a, b in pairwise(names)):
        yield subject.hit("tags")


@rule(
    "tag-description",
    'Tag object must have "description".',
    on=On.DOCUMENT,
    recommended=False,
    summary="Every declared tag has a description.",
    why="It heads the group of operations in the documentation.",
    fix="Add a sentence.",
)
def tag_description(subject: Subject) -> Iterator[Hit]:
    tags = subject.data.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        if isinstance(tag, dict) and not tag.get("description"):
            yield subject.hit("tags", index, *(("description",) if "description" in tag else ()))


@rule(
    "oas3-api-servers",
    'OpenAPI "servers" must be present and non-empty array.',
    on=On.DOCUMENT,
    formats=OAS3,
    summary="The document says where the API is served.",
    why="Without servers a client must guess; the default is the document's own host.",
    fix="Add servers: [{url: https://api.example.org/v1}].",
)
def oas3_api_servers(subject: Subject) -> Iterator[Hit]:
    servers = subject.data.get("servers")
    if not isinstance(servers, list) or not servers or not all(isinstance(server, dict) for server in servers):
        yield subject.hit(*(("servers",) if "servers" in subject.data else ()))


def _server_urls(subject: Subject) -> Iterator[tuple[int, str]]:
    servers = subject.data.get("servers")
    for index, server in enumerate(servers if isinstance(servers, list) else ()):
        url = mapping(server).get("url")
        if isinstance(url, str):
            yield index, url


@rule(
    "oas3-server-trailing-slash",
    "Server URL must not have trailing slash.",
    on=On.DOCUMENT,
    formats=OAS3,
    summary="No server URL ends in a slash.",
    why="A path begins with one: put together they make //.",
    fix="Remove the slash.",
)
def oas3_server_trailing_slash(subject: Subject) -> Iterator[Hit]:
    for index, url in _server_urls(subject):
        if len(url) > 1 and url.endswith("/"):
            yield subject.hit("servers", index, "url")


@rule(
    "oas3-server-not-example.com",
    "Server URL must not point at example.com.",
    on=On.DOCUMENT,
    formats=OAS3,
    recommended=False,
    summary="No server is example.com.",
    why="It is a placeholder that was forgotten.",
    fix="Write the real host.",
)
def oas3_server_not_example(subject: Subject) -> Iterator[Hit]:
    for index, url in _server_urls(subject):
        if re.search(r"example\.com", url):
            yield subject.hit("servers", index, "url")


@rule(
    "oas2-api-host",
    'OpenAPI "host" must be present and non-empty string.',
    on=On.DOCUMENT,
    formats=OAS2,
    summary="The document says on which host the API is served.",
    why="Without host a client must guess.",
    fix="Add host: api.example.org.",
)
def oas2_api_host(subject: Subject) -> Iterator[Hit]:
    return _lacks(subject, "host")


@rule(
    "oas2-host-trailing-slash",
    "Server URL must not have trailing slash.",
    on=On.DOCUMENT,
    formats=OAS2,
    summary="The host does not end in a slash.",
    why="A host is a name and a port, nothing more.",
    fix="Remove the slash; a path belongs in basePath.",
)
def oas2_host_trailing_slash(subject: Subject) -> Iterator[Hit]:
    if str(subject.data.get("host", "")).endswith("/"):
        yield subject.hit("host")


@rule(
    "oas2-host-not-example",
    "Host URL must not point at example.com.",
    on=On.DOCUMENT,
    formats=OAS2,
    recommended=False,
    summary="The host is not example.com.",
    why="It is a placeholder that was forgotten.",
    fix="Write the real host.",
)
def oas2_host_not_example(subject: Subject) -> Iterator[Hit]:
    if "example.com" in str(subject.data.get("host", "")):
        yield subject.hit("host")


@rule(
    "oas2-api-schemes",
    'OpenAPI host "schemes" must be present and non-empty array.',
    on=On.DOCUMENT,
    formats=OAS2,
    summary="The document says by which protocols the API is served.",
    why="Without schemes a client cannot know whether to use TLS.",
    fix="Add schemes: [https].",
)
def oas2_api_schemes(subject: Subject) -> Iterator[Hit]:
    schemes = subject.data.get("schemes")
    if not isinstance(schemes, list) or not schemes or not all(isinstance(scheme, str) for scheme in schemes):
        yield subject.hit(*(("schemes",) if "schemes" in subject.data else ()))
