"""Values that a schema accepts, drawn by lot: the same ones for the same seed.

What the author wrote down is preferred: `const`, `enum`, `example`, `examples`, `default`. Then type by type: every
required property and some of the others, texts by pattern and format, numbers within their bounds. Choices (`oneOf`,
`anyOf`) are drawn, `allOf` is merged. What cannot be steered so (`not`, `contains`, patterns beside each other) is
left to chance: each value is judged by jsonschema-rs, and drawn again when it is not valid.
"""

from __future__ import annotations

import datetime
import math
import random
import string
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from apigw_cli.bench.bundle import Bundle, Schema
from apigw_cli.bench.schema_merge import Impossible, merged
from apigw_cli.integrations.pattern import example as pattern_example

TRIES = 40
_SHALLOW, _DEEPEST = 4, 24  # from the first on only what is required is made; beyond the second nothing
_ITEMS = 3
_ABSENT = object()
_MOST_LENGTH = 10_000
_BY_WORD = (
    (
        "object",
        ("properties", "required", "additionalProperties", "minProperties", "maxProperties", "patternProperties"),
    ),
    ("array", ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains")),
    ("string", ("pattern", "minLength", "maxLength", "format")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


class Generator:
    """Draws values of the schemas of one bundle."""

    def __init__(self, bundle: Bundle, seed: str) -> None:
        self._bundle = bundle
        self._lot = random.Random(seed)
        self._made = 0

    def value(self, number: int) -> Any:
        """A valid value of schema `number`. Raises Impossible with the reason where none is found in TRIES."""
        why = ""
        for _ in range(TRIES):
            self._made = 0
            try:
                value = self._draw({"$ref": f"/{number}"}, 0)
            except Impossible as impossible:
                why = str(impossible)
                continue
            complaint = self._bundle.complaint(number, value)
            if complaint is None:
                return value
            why = complaint
        raise Impossible(why)

    # -- one value

    def _draw(self, schema: Schema | bool, depth: int) -> Any:
        self._made += 1
        if schema is False:
            raise Impossible("nothing is allowed there")
        if depth > _DEEPEST or self._made > 5000:
            raise Impossible("what is required goes in a circle")
        flat = self._flat({} if schema is True else schema, depth)
        given = self._given(flat)
        if given is not _ABSENT:
            return given
        kinds = _kinds(flat)
        kind = self._lot.choice([one for one in kinds if one != "null"] or kinds)
        return self._by_kind[kind](self, flat, depth)

    def _flat(self, schema: Schema, depth: int) -> Schema:
        """One schema without references and choices. What others wrote down as examples is not one of the whole."""
        own = {word: value for word, value in schema.items() if word not in ("$ref", "allOf", "oneOf", "anyOf", "if")}
        parts: list[Schema | bool] = [own] if own else []
        if "$ref" in schema:
            parts.append(self._bundle.follow(schema))
        parts += schema.get("allOf", [])
        parts += [self._lot.choice(self._hopeful(schema[word])) for word in ("oneOf", "anyOf") if word in schema]
        if "if" in schema:
            yes = [schema["if"], schema.get("then", True)]
            parts += yes if self._lot.random() < 0.5 else [schema.get("else", True)]
        if parts == [own]:
            return own
        if depth > _DEEPEST:
            raise Impossible("references go in a circle")
        flat = [own if part is own else self._flatten(part, depth + 1) for part in parts]
        return flat[0] if len(flat) == 1 else merged(flat)

    def _flatten(self, part: Schema | bool, depth: int) -> Schema:
        if part is False:
            raise Impossible("nothing is allowed there")
        return self._flat({} if part is True else part, depth)

    def _hopeful(self, choices: list[Schema | bool]) -> list[Schema | bool]:
        return [one for one in choices if one != {"type": "null"} and one is not False] or choices

    def _given(self, schema: Schema) -> Any:
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list):
            if not schema["enum"]:
                raise Impossible("an enum without values")
            return self._lot.choice(schema["enum"])
        written = [schema[word] for word in ("example", "default") if word in schema]
        written += schema["examples"] if isinstance(schema.get("examples"), list) else []
        return self._lot.choice(written) if written and self._lot.random() < 0.75 else _ABSENT

    # -- by type

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = [name for name in schema.get("required", []) if isinstance(name, str)]
        more = schema.get("additionalProperties", True)
        most = _count(schema, "maxProperties", 100)
        made = {name: self._draw(properties.get(name, more), depth + 1) for name in required}
        least = _count(schema, "minProperties", 0)
        others = [name for name in properties if name not in made]
        self._lot.shuffle(others)
        for name in others:
            wanted = len(made) < least or (depth < _SHALLOW and self._lot.random() < 0.4)
            if wanted and len(made) < max(most, least):
                self._try(made, name, properties[name], depth)
        while len(made) < least and more is not False:
            made[f"key{len(made)}"] = self._draw(more, depth + 1)
        if not properties and isinstance(more, dict) and depth < _SHALLOW and most > len(made):
            self._try(made, "key", more, depth)
        self._dependents(schema, made, properties, depth)
        return made

    def _try(self, made: dict[str, Any], name: str, schema: Schema | bool, depth: int) -> None:
        try:
            made[name] = self._draw(schema, depth + 1)
        except Impossible:
            pass  # it is not required

    def _dependents(self, schema: Schema, made: dict[str, Any], properties: Schema, depth: int) -> None:
        wanted = schema.get("dependentRequired")
        for name, others in wanted.items() if isinstance(wanted, dict) else ():
            for other in others if name in made else ():
                if other not in made:
                    made[other] = self._draw(properties.get(other, True), depth + 1)

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        first = schema.get("prefixItems", [])
        items = schema.get("items", True)
        least, most = _count(schema, "minItems", 0), _count(schema, "maxItems", max(_ITEMS, len(first)))
        wished = least if depth >= _SHALLOW else max(least, self._lot.randint(min(1, most), max(1, min(most, _ITEMS))))
        made = [self._draw(one, depth + 1) for one in first[:most]]
        if "contains" in schema and len(made) < most:
            made.append(self._draw(schema["contains"], depth + 1))
        patience = 10 * (wished + 1)
        while len(made) < wished and items is not False and patience:
            patience -= 1
            try:
                one = self._draw(items, depth + 1)
            except Impossible:
                if len(made) < least:
                    raise
                break
            if not (schema.get("uniqueItems") is True and one in made):
                made.append(one)
        return made

    def _string(self, schema: Schema, depth: int) -> str:
        least, most = _count(schema, "minLength", 0), _count(schema, "maxLength", _MOST_LENGTH)
        if isinstance(schema.get("pattern"), str):
            found = pattern_example(schema["pattern"], least, most)
            if found is not None:
                return found
        make = _FORMATS.get(str(schema.get("format")))
        text = make(self._lot) if make is not None else ""
        if not least <= len(text) <= most or not text:
            if least > most:
                raise Impossible("no text has such a length")
            length = self._lot.randint(max(least, min(3, most)), min(most, max(least, 10)))
            text = "".join(self._lot.choices(string.ascii_lowercase, k=length))
        return text

    def _integer(self, schema: Schema, depth: int) -> int:
        low, high = _bounds(schema)
        step = schema.get("multipleOf")
        if not isinstance(step, int | float) or step <= 0:
            step = 1
        elif not float(step).is_integer():
            step = next((k * step for k in range(1, 1001) if float(k * step).is_integer()), 1)
        first = (
            math.ceil(low / step)
            if low is not None
            else (0 if high is None or high >= 0 else math.floor(high / step) - 9)
        )
        first += low is not None and first * step == low and schema.get("exclusiveMinimum") == low
        last = math.floor(high / step) if high is not None else first + 1000
        last -= high is not None and last * step == high and schema.get("exclusiveMaximum") == high
        if first > last:
            raise Impossible("no number is within the bounds")
        # Small ones are likelier to mean something; 0 hardly ever does.
        first = 1 if first == 0 and last > 0 else first
        return int(self._lot.randint(first, min(last, first + 1000)) * step)

    def _number(self, schema: Schema, depth: int) -> float:
        low, high = _bounds(schema)
        step = schema.get("multipleOf")
        if isinstance(step, int | float) and step > 0:
            first = math.ceil((low if low is not None else 0) / step)
            last = math.floor(high / step) if high is not None else first + 1000
            return self._lot.randint(first, max(first, last)) * step
        low = low if low is not None else (0.0 if high is None or high > 0 else high - 1000)
        high = high if high is not None else low + 1000
        drawn = self._lot.uniform(low, high)
        tidy = round(drawn, 2)
        return tidy if low < tidy < high else drawn

    _by_kind: ClassVar[dict[str, Callable[[Generator, Schema, int], Any]]] = {
        "object": _object,
        "array": _array,
        "string": _string,
        "integer": _integer,
        "number": _number,
        "boolean": lambda self, schema, depth: self._lot.random() < 0.5,
        "null": lambda self, schema, depth: None,
    }


def _kinds(schema: Schema) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return [str(one) for one in kind if str(one) in Generator._by_kind] or ["string"]
    if isinstance(kind, str) and kind in Generator._by_kind:
        return [kind]
    return [next((name for name, words in _BY_WORD if any(word in schema for word in words)), "string")]


def _count(schema: Schema, word: str, otherwise: int) -> int:
    value = schema.get(word)
    return max(0, min(int(value), _MOST_LENGTH)) if isinstance(value, int | float) else otherwise


def _bounds(schema: Schema) -> tuple[float | None, float | None]:
    """The lowest and the highest value, by `minimum` and `exclusiveMinimum` and so on, whichever is stricter."""
    lows = [schema[word] for word in ("minimum", "exclusiveMinimum") if _is_number(schema.get(word))]
    highs = [schema[word] for word in ("maximum", "exclusiveMaximum") if _is_number(schema.get(word))]
    return max(lows, default=None), min(highs, default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _moment(lot: random.Random) -> datetime.datetime:
    return datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=lot.randrange(366 * 86_400))


def _word(lot: random.Random) -> str:
    return "".join(lot.choices(string.ascii_lowercase, k=8))


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date-time": lambda lot: _moment(lot).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "date": lambda lot: _moment(lot).strftime("%Y-%m-%d"),
    "time": lambda lot: _moment(lot).strftime("%H:%M:%SZ"),
    "duration": lambda lot: f"P{lot.randint(1, 30)}D",
    "uuid": lambda lot: str(uuid.UUID(int=lot.getrandbits(128), version=4)),
    "email": lambda lot: f"{_word(lot)}@example.com",
    "idn-email": lambda lot: f"{_word(lot)}@example.com",
    "hostname": lambda lot: f"{_word(lot)}.example.com",
    "idn-hostname": lambda lot: f"{_word(lot)}.example.com",
    "ipv4": lambda lot: f"192.0.2.{lot.randint(1, 254)}",
    "ipv6": lambda lot: f"2001:db8::{lot.randint(1, 0xFFFF):x}",
    "uri": lambda lot: f"https://example.com/{_word(lot)}",
    "url": lambda lot: f"https://example.com/{_word(lot)}",
    "iri": lambda lot: f"https://example.com/{_word(lot)}",
    "uri-reference": lambda lot: f"/{_word(lot)}",
    "iri-reference": lambda lot: f"/{_word(lot)}",
    "uri-template": lambda lot: f"/{_word(lot)}/{{id}}",
    "json-pointer": lambda lot: f"/{_word(lot)}",
    "relative-json-pointer": lambda lot: str(lot.randint(0, 9)),
    "regex": lambda lot: f"^{_word(lot)}$",
    "byte": lambda lot: lot.randbytes(9).hex(),
}
