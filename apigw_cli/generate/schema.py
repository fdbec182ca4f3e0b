"""Target `schema`: the JSON Schema of `apigw.yaml` or of a stage file, made from the models that read them.

It follows `config.decode.Decoder` type by type, so that an editor accepts what apigw accepts: a policy may be
`off`, and a `${variable}` may stand for any value that is no mapping or list (a stage file holds none: it is where
variables are defined).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from apigw_cli.config.model import Config, Policies, StageFile
from apigw_cli.config.values import DURATION, PERCENT, SIZE, Duration, Percent, is_size
from apigw_cli.errors import UsageError
from apigw_cli.generate import text
from apigw_cli.generate.target import Options, Rendered
from apigw_cli.policies.interface import Policy
from apigw_cli.policies.registry import POLICIES
from apigw_cli.snapshot.compiler import Compiled

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"type": "string", "pattern": r"\$\{[^{}]+\}"}
_FILES = {"config": (Config, "apigw.yaml", True), "stage": (StageFile, "stages/NAME.yaml", False)}

Json = dict[str, Any]


class Schema:
    name = "schema"
    summary = "the JSON Schema of apigw.yaml (--of stage: of a stage file), for editors"
    takes = frozenset({"format", "of"})

    def render(self, options: Options, compiled: Callable[[], Compiled]) -> Rendered:
        return Rendered(text.dump(schema(options.of or "config"), options.format or "json"))


SCHEMA = Schema()


def schema(of: str, policies: Iterable[Policy] = POLICIES) -> Json:
    """The JSON Schema (draft 2020-12) of `config` or `stage` files. Raises UsageError for another word."""
    if of not in _FILES:
        raise UsageError(f'there is no schema of "{of}"', hint=f"--of takes {' or '.join(_FILES)}")
    model, title, variables = _FILES[of]
    writer = _Writer(tuple(policy for policy in policies if not policy.derived), variables)
    root = writer.of(model)
    definitions = dict(sorted(writer.definitions.items()))
    return {"$schema": _DRAFT, "title": title, **root, "$defs": definitions}


class _Writer:
    """Writes the schema of a type; structs become definitions."""

    def __init__(self, policies: tuple[Policy, ...], variables: bool) -> None:
        self.policies = policies
        self.variables = variables
        self.definitions: dict[str, Json] = {}
        self._names: dict[type, str] = {}

    def of(self, kind: Any) -> Json:
        origin = get_origin(kind)
        if origin is Annotated:
            return self._annotated(*get_args(kind))
        if origin in (Union, types.UnionType):
            return self._union(get_args(kind))
        if origin is list or origin is tuple:
            return {"type": "array", "items": self.of(get_args(kind)[0])}
        if origin is dict:
            return self._mapping(*get_args(kind))
        if kind is Any:
            return {}
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._reference(kind)
        return self._scalar(kind)

    def _annotated(self, base: Any, *metas: Any) -> Json:
        described = {
            name: value
            for meta in metas
            if isinstance(meta, msgspec.Meta)
            for name, value in (("title", meta.title), ("description", meta.description), ("examples", meta.examples))
            if value is not None
        }
        if base in (str, int, float, bool):
            return described | self._scalar(Annotated[(base, *metas)], base, is_size(metas))
        bounds = {} if isinstance(base, type) else _bounds_of_list(metas)
        return described | self.of(base) | bounds

    def _scalar(self, kind: Any, base: Any = None, sized: bool = False) -> Json:
        if kind is Duration:
            return self._or_variable({"type": "string", "pattern": DURATION, "examples": ["250ms", "5s", "1m"]})
        if kind is Percent:
            return self._or_variable({"type": "string", "pattern": PERCENT, "examples": ["20%"]})
        plain = {k: v for k, v in msgspec.json.schema(kind).items() if k not in ("title", "description", "examples")}
        if (base or kind) is str and "pattern" not in plain:
            return plain  # text with a variable in it is text
        if sized:
            ways = [plain, {"type": "string", "pattern": SIZE}]
            return {"anyOf": [*ways, _VARIABLE] if self.variables else ways}
        return self._or_variable(plain)

    def _or_variable(self, plain: Json) -> Json:
        return {"anyOf": [plain, _VARIABLE]} if self.variables else plain

    def _union(self, kinds: tuple[Any, ...]) -> Json:
        """One kind or nothing; or several scalars."""
        rest = [kind for kind in kinds if kind is not type(None)]
        null = [{"type": "null"}] if len(rest) < len(kinds) else []
        return {"anyOf": [*(self.of(kind) for kind in rest), *null]}

    def _mapping(self, keys: Any, values: Any) -> Json:
        names = msgspec.json.schema(keys) if get_origin(keys) is Annotated else {}
        names.pop("type", None)
        return {
            "type": "object",
            **({"propertyNames": names} if names else {}),
            "additionalProperties": self.of(values),
        }

    def _reference(self, kind: type[msgspec.Struct]) -> Json:
        if kind not in self._names:
            taken = kind.__name__ in self._names.values()  # by the model of another policy
            name = self._names[kind] = f"{kind.__module__}.{kind.__name__}" if taken else kind.__name__
            self.definitions[name] = self._struct(kind)
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _struct(self, kind: type[msgspec.Struct]) -> Json:
        hints = typing.get_type_hints(kind, include_extras=True)
        fields = [field for field in msgspec.structs.fields(kind) if field.name != "policies"]
        properties = {field.encode_name: self._field(field, hints[field.name]) for field in fields}
        if issubclass(kind, Policies):
            properties |= {policy.name: self._policy(policy) for policy in self.policies}
        required = [field.encode_name for field in fields if field.required]
        return {
            **({"description": inspect.cleandoc(kind.__doc__)} if kind.__doc__ else {}),
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _field(self, field: msgspec.structs.FieldInfo, hint: Any) -> Json:
        found = self.of(hint)
        if isinstance(field.default, Duration):
            found["default"] = f"{field.default:g}s"
        elif isinstance(field.default, Percent):
            found["default"] = f"{field.default * 100:g}%"
        elif isinstance(field.default, (str, int, bool)):
            found["default"] = field.default
        return found

    def _policy(self, policy: Policy) -> Json:
        return {"anyOf": [self.of(policy.model), {"enum": ["off", False]}]}


def _bounds_of_list(metas: Iterable[Any]) -> Json:
    bounds: Json = {}
    for meta in metas:
        for name, keyword in (("min_length", "minItems"), ("max_length", "maxItems")):
            if getattr(meta, name, None) is not None:
                bounds[keyword] = getattr(meta, name)
    return bounds
