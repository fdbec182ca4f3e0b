"""Rules about what one version of OpenAPI knows and another does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apigw_cli.lint.model import ERROR, OAS2, OAS3, Hit, On, Rule, rule
from apigw_cli.lint.subject import Subject, Visit
from apigw_cli.openapi.document import Node
from apigw_cli.openapi.operations import Operation, mapping

_WITH_WEBHOOKS = frozenset({"3.1", "3.2"})


def _union(keyword: str) -> Rule:
    def check(visit: Visit) -> Iterator[Hit]:
        yield visit.hit(keyword, on_key=True)

    return rule(
        f"oas2-{keyword}",
        f'"{keyword}" keyword must not be used in OpenAPI v2 document.',
        on=On.KEYS,
        keys=(keyword,),
        formats=OAS2,
        summary=f"{keyword} is not used: Swagger 2 does not know it.",
        why="Tools for Swagger 2 pass over it, and take any value.",
        fix="Use allOf, or move to OpenAPI 3.",
    )(check)


oas2_any_of = _union("anyOf")
oas2_one_of = _union("oneOf")


@rule(
    "oas2-discriminator",
    "The discriminator property must be defined and required.",
    on=On.DOCUMENT,
    severity=ERROR,
    formats=OAS2,
    summary="The property that a discriminator names is defined and required.",
    why="Without it in every value nobody can tell the kinds apart.",
    fix="Declare the property and put it in the list required.",
)
def oas2_discriminator(subject: Subject) -> Iterator[Hit]:
    for name in mapping(subject.data.get("definitions")):
        node = subject.follow(subject.root.child("definitions", name))
        schema = mapping(node.data) if node else {}
        wanted = schema.get("discriminator")
        if node is None or not wanted or not isinstance(wanted, str):
            continue
        if wanted not in mapping(schema.get("properties")):
            message = "The discriminator property must be defined in this schema."
            yield Hit.at(node, "properties", message=message)
        required = schema.get("required")
        if not isinstance(required, list) or wanted not in required:
            message = "The discriminator property must be in the required property list."
            yield Hit.at(node, "required", message=message)


@rule(
    "oas2-operation-formData-consume-check",
    'Operations with "in: formData" parameter must include "application/x-www-form-urlencoded" or '
    '"multipart/form-data" in their "consumes" property.',
    on=On.OPERATION,
    formats=OAS2,
    summary="An operation with form parameters consumes a form.",
    why="A client sends the form in a media type of the list.",
    fix="Add multipart/form-data or application/x-www-form-urlencoded to consumes.",
)
def oas2_form_data(subject: Subject, operation: Operation) -> Iterator[Hit]:
    parameters, consumes = operation.node.data.get("parameters"), operation.node.data.get("consumes")
    if not isinstance(parameters, list) or not isinstance(consumes, list):
        return
    followed = [subject.follow(operation.node.child("parameters", index)) for index in range(len(parameters))]
    has_form = any(each is not None and mapping(each.data).get("in") == "formData" for each in followed)
    listed = ",".join(map(str, consumes))
    if has_form and not re.search(r"application/x-www-form-urlencoded|multipart/form-data", listed):
        yield Hit.at(operation.node)


@rule(
    "oas3-callbacks-in-callbacks",
    "Callbacks should not be defined within a callback",
    on=On.OPERATION,
    formats=OAS3,
    summary="A callback has no callbacks.",
    why="The specification does not say what they would mean.",
    fix="Declare them at the operation itself.",
)
def oas3_callbacks_in_callbacks(subject: Subject, operation: Operation) -> Iterator[Hit]:
    for name in mapping(operation.node.data.get("callbacks")):
        callback = subject.follow(operation.node.child("callbacks", name))
        for expression in mapping(callback.data) if callback else ():
            assert callback is not None
            item = subject.follow(callback.child(expression))
            if item is not None:
                yield from _with_key(subject, item, "callbacks")


def _with_key(subject: Subject, item: Node, key: str) -> Iterator[Hit]:
    """The operations of a path item that have a key."""
    for method in mapping(item.data):
        operation = subject.follow(item.child(method))
        if operation is not None and key in mapping(operation.data):
            yield Hit.at(operation, key, on_key=True)


@rule(
    "oas3_1-servers-in-webhook",
    "Servers should not be defined in a webhook.",
    on=On.DOCUMENT,
    formats=_WITH_WEBHOOKS,
    summary="A webhook has no servers.",
    why="The URL that a webhook calls is not the API's to say.",
    fix="Remove them.",
)
def oas3_1_servers_in_webhook(subject: Subject) -> Iterator[Hit]:
    if "servers" in mapping(subject.data.get("webhooks")):
        yield subject.hit("webhooks", "servers", on_key=True)
    yield from _in_webhooks(subject, "servers")


@rule(
    "oas3_1-callbacks-in-webhook",
    "Callbacks should not be defined in a webhook.",
    on=On.DOCUMENT,
    formats=_WITH_WEBHOOKS,
    summary="A webhook has no callbacks.",
    why="It is a callback itself.",
    fix="Remove them.",
)
def oas3_1_callbacks_in_webhook(subject: Subject) -> Iterator[Hit]:
    return _in_webhooks(subject, "callbacks")


def _in_webhooks(subject: Subject, key: str) -> Iterator[Hit]:
    for name in mapping(subject.data.get("webhooks")):
        item = subject.follow(subject.root.child("webhooks", name))
        if item is not None:
            yield from _with_key(subject, item, key)


@rule(
    "oas3_2-no-deprecated-xml-attribute",
    '"xml.attribute" is deprecated in OAS 3.2; use "xml.nodeType: attribute" instead.',
    on=On.KEYS,
    keys=("xml",),
    formats=frozenset({"3.2"}),
    summary="XML attributes are declared with nodeType.",
    why="3.2 has nodeType for all kinds of nodes, and deprecates attribute.",
    fix="Write nodeType: attribute.",
)
def oas3_2_no_deprecated_xml_attribute(visit: Visit) -> Iterator[Hit]:
    if mapping(visit.node["xml"]).get("attribute") is True:
        yield visit.hit("xml")
