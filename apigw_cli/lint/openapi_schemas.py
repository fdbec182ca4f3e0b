"""The JSON Schemas of the OpenAPI versions: as they are published, and in the form whose errors Spectral reports.

Both come from openapi-spec-validator's copies of the official ones. The published ones offer a value several forms
at once (`oneOf`: a parameter or a reference); Spectral asks first which form is meant. Which errors a broken document
has depends on that, so `as_spectral` puts the same questions. A text in the `$comment` of a `not` is what its error
says.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import msgspec

from apigw_cli.lint.schema_function import metaschema

Schema = dict[str, Any]

_2020_12 = "https://json-schema.org/draft/2020-12/schema"
_DRAFT_4 = "http://json-schema.org/draft-04/schema#"
_EXTENSIONS: Schema = {"^x-": True}
_POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
_TEXT: Schema = {"type": "string"}
# OpenAPI's own keywords in schemas: the base vocabulary of 3.1 and 3.2.
_DISCRIMINATOR: Schema = {
    "type": "object",
    "properties": {"propertyName": _TEXT, "mapping": {"type": "object", "additionalProperties": _TEXT}},
    "required": ["propertyName"],
    "patternProperties": _EXTENSIONS,
    "unevaluatedProperties": False,
}
_XML: Schema = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "namespace": {"type": "string", "format": "uri"},
        "prefix": _TEXT,
        "attribute": {"type": "boolean"},
        "wrapped": {"type": "boolean"},
    },
    "patternProperties": _EXTENSIONS,
    "unevaluatedProperties": False,
}
_XML_3_2 = {
    **_XML,
    "properties": {
        **_XML["properties"],
        "namespace": {"type": "string", "format": "iri"},
        "nodeType": {"enum": ["element", "attribute", "text", "cdata", "none"]},
    },
    "dependentSchemas": {"nodeType": {"properties": {"attribute": False, "wrapped": False}}},
}
_OF_OAUTH = ("authorizationUrl", "tokenUrl", "refreshUrl")


def published(version: str, usual_dialect: bool) -> Schema:
    """The schema of an OpenAPI version ("2.0", "3.0", "3.1", "3.2"), with JSON Schema's own for Schema Objects."""
    schema = _read(version)
    if version in ("2.0", "3.0"):
        schema = _in_2020_12(schema)
    if version == "3.0":  # as people write it: #/paths/~1pets~1{id}, which is no URI until it is encoded
        schema["definitions"]["Reference"]["patternProperties"]["^\\$ref$"].pop("format")
    if version in ("3.1", "3.2"):
        schema["$defs"]["reference"]["properties"]["$ref"].pop("format")
        schema["$defs"]["server"]["properties"]["url"].pop("format", None)  # a template: https://{region}.example.org
        if usual_dialect:
            schema["$defs"]["schema"] = _schema_object(version)
    if version == "3.2":
        schema["$defs"]["path-item"]["properties"]["$ref"].pop("format")
    if version == "3.1":
        # A path item may have a $ref beside its other keys (OpenAPI 3.1.1, 4.8.9).
        item = schema["$defs"]["path-item"]
        item["properties"]["$ref"] = _TEXT
        schema["$defs"]["path-item-or-reference"] = {"$ref": "#/$defs/path-item"}
    return schema


def as_spectral(version: str, usual_dialect: bool) -> Schema:
    """The schema of an OpenAPI version, in the form whose errors Spectral reports."""
    if version in ("2.0", "3.0"):
        schema: Schema = _asked_first(_in_2020_12(_read(version)))
        (_swagger if version == "2.0" else _openapi_3_0)(schema["definitions"])
        return schema
    schema = _read(version)
    schema["$defs"]["server"]["properties"]["url"].pop("format", None)
    if usual_dialect:
        schema["$defs"]["schema"] = _schema_object(version)
    if version == "3.1":
        _openapi_3_1(schema["$defs"])
    return schema


def _read(version: str) -> Schema:
    # The package is found without importing it: that would cost 0.3 s.
    found = importlib.util.find_spec("openapi_spec_validator")
    assert found is not None and found.submodule_search_locations is not None
    file = Path(found.submodule_search_locations[0]) / "resources" / "schemas" / f"v{version}" / "schema.json"
    schema: Schema = msgspec.json.decode(file.read_bytes())
    return schema


def _schema_object(version: str) -> Schema:
    discriminator = _DISCRIMINATOR
    if version == "3.2":
        properties = {**_DISCRIMINATOR["properties"], "defaultMapping": _TEXT}
        discriminator = {**_DISCRIMINATOR, "properties": properties, "required": []}
    return {
        "$dynamicAnchor": "meta",
        "$ref": _2020_12,
        "type": ["object", "boolean"],
        "properties": {
            "discriminator": discriminator,
            "externalDocs": {"$ref": "#/$defs/external-documentation"},
            "xml": _XML if version == "3.1" else _XML_3_2,
        },
    }


def _in_2020_12(schema: Schema) -> Schema:
    """A schema of draft 4 in JSON Schema 2020-12: exclusive bounds are numbers, and more formats are known."""
    schema["$id"] = schema.pop("id", "https://apigw.example/swagger-2.0")
    schema["$schema"] = _2020_12
    definitions = schema["definitions"]
    for holder in (definitions, definitions.get("Schema", {}).get("properties", {})):
        if "multipleOf" in holder:
            holder["multipleOf"] = _POSITIVE
    if "schema" in definitions:  # Swagger 2 refers to the schema of draft 4
        draft_4 = {key: value for key, value in metaschema("draft4").items() if key not in ("id", "$schema")}
        draft_4["properties"] = draft_4["properties"] | {"multipleOf": _POSITIVE}
        definitions["draft-04"] = _moved(draft_4, "#")
        schema = _moved(schema, _DRAFT_4)
    return schema


def _moved(node: Any, base: str) -> Any:
    """A schema whose references to `base` lead to the copy of draft 4 among its definitions."""
    if isinstance(node, list):
        return [_moved(each, base) for each in node]
    if not isinstance(node, dict):
        return node
    moved = {key: _moved(value, base) for key, value in node.items()}
    if isinstance(ref := node.get("$ref"), str) and (ref == base or ref.startswith(base.rstrip("#") + "#/")):
        moved["$ref"] = "#/definitions/draft-04" + ref.partition("#")[2]
    return moved


def _asked_first(node: Any) -> Any:
    """The schema with every choice between a reference and something else as a question: is there a `$ref`?"""
    if isinstance(node, list):
        return [_asked_first(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _asked_first(value) for key, value in node.items()}
    options = node.get("oneOf")
    references = [option for option in options or () if _is_reference(option)]
    if not references:
        return node
    others = [option for option in options if option not in references]
    rest = {key: value for key, value in node.items() if key != "oneOf"}
    other = others[0] if len(others) == 1 else _schema_or_boolean(others[0], "Schema Object")
    return {**rest, "if": {"type": "object", "required": ["$ref"]}, "then": references[0], "else": other}


def _is_reference(option: Any) -> bool:
    return isinstance(option, dict) and option.get("$ref") in ("#/definitions/Reference", "#/definitions/jsonReference")


def _schema_or_boolean(schema: Schema, noun: str) -> Schema:
    told = {"not": {"$comment": f'"additionalProperties" property must be a valid {noun}'}}
    return {
        "if": {"type": "object"},
        "then": schema,
        "else": {"if": {"type": "boolean"}, "then": True, "else": told},
    }


def _swagger(definitions: Schema) -> None:
    properties = definitions["schema"]["properties"]
    properties["additionalProperties"] = _schema_or_boolean({"$ref": "#/definitions/schema"}, "schema")
    for word in ("anyOf", "oneOf"):  # rules of their own report these
        properties[word] = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/schema"}}
    for name in ("Implicit", "Password", "Application", "AccessCode"):
        definitions[f"oauth2{name}Security"]["required"].append("scopes")
    for name in ("collectionFormat", "collectionFormatWithMulti"):
        definitions[name].pop("type", None)
    for name in ("primitivesItems", "fileSchema"):
        definitions[name]["properties"]["type"].pop("type", None)
    definitions["schemesList"]["items"].pop("type", None)


def _openapi_3_0(definitions: Schema) -> None:
    _constants(definitions)
    definitions["Parameter"]["required"].remove("in")
    definitions["ParameterLocation"] = _by_location(definitions["ParameterLocation"]["oneOf"])
    choice = definitions["SchemaXORContent"]
    with_content = choice["oneOf"][1]
    choice.pop("oneOf")
    choice["not"]["$comment"] = "Schema and content are mutually exclusive, at least one is required"
    neither = {"not": {"$comment": '"schema" or "content" must be present'}}
    has_content = {"if": {"type": "object", "required": ["content"]}, "then": with_content, "else": neither}
    choice.update({"if": {"type": "object", "required": ["schema"]}, "else": has_content})
    definitions["SecurityScheme"] = _by_type()
    definitions["Encoding"].pop("patternProperties", None)


def _constants(node: Any) -> None:
    """Options that are only one become constants; a list of options needs no type beside it."""
    if isinstance(node, dict):
        for value in node.values():
            _constants(value)
        if isinstance(node.get("enum"), list):
            node.pop("type", None)
            if len(node["enum"]) == 1:
                node["const"] = node.pop("enum")[0]
    elif isinstance(node, list):
        for value in node:
            _constants(value)


def _says(key: str, value: str) -> Schema:
    return {"type": "object", "properties": {key: {"const": value}}, "required": [key]}


def _by_location(options: list[Schema]) -> Schema:
    told = {"not": {"$comment": 'Parameter must have a valid "in" property'}}
    names = [option["properties"]["in"]["const"] for option in options]
    last: Schema = {"type": "object", "properties": {"in": {"enum": names}}}
    chain: Schema = {"if": {"required": ["in"]}, "then": last, "else": told}
    for name, option in zip(reversed(names), reversed(options), strict=True):
        kept = {key: each for key, each in option["properties"].items() if key != "in"}
        chain = {"if": _says("in", name), "then": {**option, "properties": kept}, "else": chain}
    return {"type": "object", **chain}


def _by_type() -> Schema:
    """Spectral asks for `apiKey` twice and so never looks into an HTTP scheme."""
    kinds = {"apiKey": "APIKey", "oauth2": "OAuth2", "openIdConnect": "OpenIdConnect"}
    known: Schema = {"properties": {"type": {"enum": ["apiKey", "http", "oauth2", "openIdConnect"]}}}
    nameless = {"not": {"$comment": "Security scheme must have a valid type"}}
    chain: Schema = {"if": {"required": ["type"]}, "then": known, "else": nameless}
    for kind, name in reversed(kinds.items()):
        target = {"$ref": f"#/definitions/{name}SecurityScheme"}
        chain = {"if": _says("type", kind), "then": target, "else": chain}
    return {"if": {"type": "object"}, "then": chain, "else": {"not": {"$comment": "Invalid security scheme"}}}


def _openapi_3_1(definitions: Schema) -> None:
    """Spectral has the schema of 2021: path items know no `$ref`, references take any key, URLs may be relative."""
    definitions["paths"]["patternProperties"]["^/"] = {"$ref": "#/$defs/path-item"}
    definitions["reference"].pop("unevaluatedProperties", None)
    path_style = definitions["parameter"]["dependentSchemas"]["schema"]["$defs"]["styles-for-path"]
    path_style["then"]["properties"].pop("name", None)
    relative = [definitions["example"]["properties"]["externalValue"]]
    relative.append(definitions["security-scheme"]["$defs"]["type-oidc"]["then"]["properties"]["openIdConnectUrl"])
    for flow in definitions["oauth-flows"]["$defs"].values():
        relative += [flow["properties"][name] for name in _OF_OAUTH if name in flow["properties"]]
    for url in relative:
        url["format"] = "uri-reference"
