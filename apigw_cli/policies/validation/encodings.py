"""How the fields of a form are written: `encoding` (OpenAPI 3.1, 4.8.15), and the `collectionFormat` of 2.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apigw_cli.openapi.document import Library, Node
from apigw_cli.openapi.json_schema import Direction
from apigw_cli.openapi.operations import mapping
from apigw_cli.policies.validation.parameters import Parameter, header, style_of


@dataclass(frozen=True, slots=True)
class Encoding:
    """Of one field. `style` None: none is named; `types`: media types that its part may have, none: any."""

    style: str | None
    explode: bool
    types: tuple[str, ...] = ()
    headers: tuple[Parameter, ...] = ()

    def takes(self, essence: str) -> bool:
        kinds = (essence, essence.partition("/")[0] + "/*", "*/*")
        return any(one in self.types for one in kinds)


def of_encodings(library: Library, media: Node, version: str, direction: Direction) -> dict[str, Encoding]:
    """Those of a media type. Raises InputError for a schema that cannot be used."""
    named = mapping(mapping(media.data).get("encoding"))
    return {str(name): _encoding(library, media.child("encoding", name), version, direction) for name in named}


def _encoding(library: Library, node: Node, version: str, direction: Direction) -> Encoding:
    data: Mapping[str, Any] = mapping(node.data)
    styled = any(word in data for word in ("style", "explode", "allowReserved"))
    style, explode = style_of(data, "formData", version)
    listed = str(data.get("contentType") or "").split(",")
    types = tuple(one.partition(";")[0].strip().lower() for one in listed if one.strip())
    headers = tuple(
        header(library, str(name), library.follow(node.child("headers", name)), version, direction)
        for name in mapping(data.get("headers"))
        if str(name).lower() != "content-type"
    )
    return Encoding(style if styled else None, explode, types, headers)


def of_fields(fields: list[Node]) -> dict[str, Encoding]:
    """Those of the parameters of 2.0 that are a form's fields and lists."""
    lists = [one.data for one in fields if one.data.get("type") == "array"]
    return {str(data.get("name")): Encoding(*style_of(data, "formData", "2.0")) for data in lists}
