"""Rules that a ruleset defines: given, then, field, messages, aliases, formats, overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apigw_cli.lint import ruleset
from apigw_cli.lint.model import Finding
from tests.lint.support import with_ruleset

HEAD = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(rules: str, data: dict[str, Any], **others: Any) -> list[Finding]:
    Path("rules.yaml").write_text(rules)
    return with_ruleset(HEAD | data, ruleset.load("rules.yaml"), **others)


def told(rules: str, data: dict[str, Any], **others: Any) -> list[tuple[str, str]]:
    """Where, as a dotted path, and what."""
    return [(".".join(map(str, each.path)), each.message) for each in found(rules, data, **others)]


def rule(given: str, then: str, more: str = "") -> str:
    return f"rules:\n  mine:\n    given: {given}\n    then: {then}\n    message: '{{{{error}}}}'\n{more}"


@pytest.mark.parametrize(
    ("then", "value", "expected"),
    [
        ("{function: truthy, field: a}", {}, [("x", '"x.a" property must be truthy')]),
        ("{function: truthy, field: a}", {"a": []}, []),
        ("{function: truthy, field: a.b}", {"a": {"b": 0}}, [("x.a.b", '"b" property must be truthy')]),
        ("{function: truthy, field: 'a[1]'}", {"a": [1]}, [("x.a", '"a[1]" property must be truthy')]),
        ("{function: falsy, field: a}", {"a": {}}, [("x.a", '"a" property must be falsy')]),
        ("{function: defined, field: a}", {"a": None}, []),
        ("{function: undefined, field: a}", {"a": None}, [("x.a", '"a" property must be undefined')]),
        ("{function: casing, functionOptions: {type: kebab}, field: '@key'}", {"a-b": 1, "aB": 2},
         [("x.aB", "must be kebab case")]),
        ("{function: casing, functionOptions: {type: pascal, separator: {char: '-', allowLeading: true}}, field: a}",
         {"a": "-Ab-Cd"}, []),
        ("{function: casing, functionOptions: {type: flat, disallowDigits: true}, field: a}", {"a": "a1"},
         [("x.a", "must be flat case")]),
        ("{function: length, functionOptions: {min: 2, max: 2}, field: a}", {"a": [1]},
         [("x.a", '"a" property must be longer than 2')]),
        ("{function: length, functionOptions: {max: 2}, field: a}", {"a": 3},
         [("x.a", '"a" property must be shorter than 2')]),
        ("{function: enumeration, functionOptions: {values: [1, a]}, field: a}", {"a": "b"},
         [("x.a", '"b" must be equal to one of the allowed values: 1, "a"')]),
        ("{function: pattern, functionOptions: {match: /^A/i, notMatch: 'c$'}, field: a}", {"a": "abc"},
         [("x.a", '"abc" must not match the pattern "c$"')]),
        ("{function: pattern, functionOptions: {match: '^(a|aa)+$'}, field: a}", {"a": "a" * 60 + "b"},
         [("x.a", "cannot be checked: the pattern ^(a|aa)+$ needs more than 1 s")]),
        ("{function: alphabetical, field: a}", {"a": ["a", "B", "c", "b"]},
         [("x.a.2", '"c" must be placed after "b"')]),
        ("{function: alphabetical, field: a}", {"a": {"b": 1, "a": 2}}, [("x.a.b", '"b" must be placed after "a"')]),
        ("{function: alphabetical, functionOptions: {keyedBy: n}, field: a}", {"a": [{"n": "b"}, {"n": "a"}]},
         [("x.a", "properties must follow the alphabetical order")]),
        ("{function: or, functionOptions: {properties: [a, b]}}", {},
         [("x", 'At least one of "a" or "b" must be defined')]),
        ("{function: xor, functionOptions: {properties: [a, b]}}", {"b": 1, "a": 1},
         [("x", 'Just one of "b" and "a" must be defined')]),
        ("{function: typedEnum}", {"type": "string", "enum": [1]}, [("x.enum.0", 'Enum value 1 must be "string".')]),
        ("{function: schema, functionOptions: {schema: {type: object, required: [a]}}}", {},
         [("x", '"x" property must have required property "a"')]),
        ("{function: schema, functionOptions: {schema: {properties: {a: {enum: [yes, no]}}}}}", {"a": "yess"},
         [("x.a", '"a" property must be equal to one of the allowed values: "yes", "no". Did you mean "yes"?')]),
        ("{function: schema, functionOptions: {allErrors: true, schema: {required: [a, b]}}}", {},
         [("x", '"x" property must have required property "a"'),
          ("x", '"x" property must have required property "b"')]),
        ("{function: schema, field: a, functionOptions: {schema: {}}}", {}, [("x", '"x.a" property must exist')]),
        ("{function: truthy, field: '$.a[*].b'}", {"a": [{"b": 1}, {"b": 0}]},
         [("x.a.1.b", '"b" property must be truthy')]),
        ("[{function: truthy, field: a}, {function: truthy, field: b}]", {},
         [("x", '"x.a" property must be truthy'), ("x", '"x.b" property must be truthy')]),
    ],
)  # fmt: skip
def test_functions(then: str, value: Any, expected: list[tuple[str, str]]) -> None:
    assert told(rule("$.x", then), {"x": value}) == expected


def test_references_are_followed_and_findings_stand_where_the_text_is() -> None:
    document = {
        "x": [{"$ref": "#/components/schemas/A"}, {"$ref": "other.yaml#/B"}],
        "components": {"schemas": {"A": {"type": "array", "items": {"$ref": "#/components/schemas/A"}}}},
    }
    rules = rule("$.x..[?(@.type == 'array')]", "{function: truthy, field: maxItems}")
    seen = found(rules, document, other__yaml={"B": {"type": "array"}})
    assert [(each.file, each.path) for each in seen] == [
        ("main.yaml", ("components", "schemas", "A")),
        ("other.yaml", ("B",)),
    ]
    unresolved = rule("$.x[*]", "{function: undefined, field: $ref}", "    resolved: false\n")
    assert [path for path, _ in told(unresolved, document, other__yaml={"B": {}})] == ["x.0.$ref", "x.1.$ref"]


def test_keys_parents_and_messages() -> None:
    rules = """
rules:
  keys:
    given: '$.x.*~'
    then: {function: pattern, functionOptions: {match: ^a}}
    message: '{{property}} at {{path}} is {{value}}'
  parent: {given: '$.x[?(@ > 1)]^', then: {function: truthy, field: y}, description: needs y}
  printed: {given: $.x.b, then: {function: falsy}, message: '#{{print("property")}}has #{{value + "!"}}{{nothing}}'}
"""
    assert told(rules, {"x": {"a": 1, "b": 2, "{c}/": 0}}) == [
        ("x", "needs y"), ("x.b", "b at #/x/b is 2"), ("x.b", '"b" property has 2!'),
        ("x.{c}/", "{c}/ at #/x/%7Bc%7D~1 is 0"),
    ]  # fmt: skip


def test_aliases_may_differ_by_version_and_formats_choose() -> None:
    rules = """
aliases:
  Root: [$.x]
  Field:
    targets:
      - {formats: [oas2], given: [$.nowhere]}
      - {formats: [oas3], given: ['#Root.a', '#Root.b']}
rules:
  mine: {given: '#Field', then: {function: falsy}, message: m}
  other: {given: $.x, then: {function: falsy}, formats: [oas3_1]}
"""
    assert told(rules, {"x": {"a": 1, "b": 2}}) == [("x.a", "m"), ("x.b", "m")]


def test_a_built_in_rule_is_redefined() -> None:
    rules = """
extends: [[spectral:oas, off]]
rules:
  operation-tags: {given: '#OperationObject', severity: error, then: {function: truthy, field: x-tags}}
"""
    (one,) = found(rules, {"paths": {"/a": {"get": {}}}})
    assert (one.code, one.severity.word, one.path) == ("operation-tags", "error", ("paths", "/a", "get"))
    assert one.message == "Every operation has at least one tag." or "tags" in one.message


def test_overrides_by_file_and_by_place() -> None:
    rules = """
rules: {mine: {given: '$.x[*]', then: {function: falsy}, severity: error}}
overrides:
  - {files: ['*.json'], rules: {mine: off}}
  - {files: ['**/main.yaml#/x/b', 'main.yaml#/x/c'], rules: {mine: hint}}
  - {files: ['main.yaml#/x/c/d'], rules: {mine: off}}
"""
    seen = found(rules, {"x": {"a": 1, "b": 1, "c": 1}})
    assert [(each.path[-1], each.severity.word) for each in seen] == [("a", "error"), ("b", "hint"), ("c", "hint")]
    off = rules.replace("*.json", "main.yaml")
    assert found(off, {"x": {"a": 1}}) == []
    excepted = "rules: {mine: {given: '$.x[*]', then: {function: falsy}}}\nexcept: {'main.yaml#/x/a': [mine]}\n"
    assert [each.path for each in found(excepted, {"x": {"a": 1, "b": 1}})] == [("x", "b")]


def test_parser_options() -> None:
    text = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths: {}\nx: {200: a, '201': b, true: c}\n"
    Path("r.yaml").write_text("extends: [[spectral:oas, off]]\n")
    seen = with_ruleset(text, ruleset.load("r.yaml"))
    assert [(each.code, each.path, each.message[-6:]) for each in seen] == [
        ("parser", ("x", "200"), "number"), ("parser", ("x", "true"), "oolean"),
    ]  # fmt: skip
    for quiet in (
        "extends: [[spectral:oas, off]]\nparserOptions: {incompatibleValues: off}\n",
        "extends: apigw:recommended\n",
    ):
        Path("r.yaml").write_text(quiet)
        assert "parser" not in {each.code for each in with_ruleset(text, ruleset.load("r.yaml"))}


def test_rules_without_formats_look_at_any_document() -> None:
    Path("r.yaml").write_text(rule("$.a", "{function: falsy}"))
    seen = with_ruleset("a: 1\n", ruleset.load("r.yaml"))
    assert [each.code for each in seen] == ["mine", "unrecognized-format"] or len(seen) == 2


@pytest.mark.parametrize(
    "key", ["200: a", "- 200: a", "{200: a}", "{a: b,\n  200 : a}", "? 200\n: a", "-1.5e3: a", "~: a"]
)
def test_keys_that_are_no_text_in_every_form(key: str) -> None:
    Path("r.yaml").write_text("extends: [[spectral:oas, off]]\n")
    inner = "\n".join("  " + line for line in key.split("\n"))
    text = f"openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\npaths: {{}}\nx:\n{inner}\n"
    assert [each.code for each in with_ruleset(text, ruleset.load("r.yaml"))] == ["parser"]


def test_a_value_that_is_met_by_several_ways_is_told_once_for_each_thing_that_is_said_of_it() -> None:
    data = {"x": {"a": {"$ref": "#/y"}, "b": {"$ref": "#/y"}, "c": [{"$ref": "#/y"}, {"$ref": "#/y"}]}, "y": {"z": 1}}
    then = "{function: schema, functionOptions: {schema: {required: [q, r], type: object}, allErrors: true}}"
    named = [message for where, message in told(rule("$.x[*]", then), data) if where == "y"]
    assert sorted(named) == [f'"{key}" property must have required property "{name}"' for key in "ab" for name in "qr"]
    plain = rule("['$.x[*]', '$.x.c[*]', '$.y']", then).replace("{{error}}", "no")
    assert [each for each in told(plain, data) if each[0] == "y"] == [("y", "no")]
