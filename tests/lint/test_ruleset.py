"""Rulesets: names, files in Spectral's form, and a clear word on what they cannot hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from apigw_cli.errors import InputError, UsageError
from apigw_cli.lint import ruleset
from apigw_cli.lint.model import ERROR, HINT, INFO, WARN

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def ruleset_file(text: str, name: str = "rules.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return ruleset_file


def test_built_in_names() -> None:
    spectral, gateway = ruleset.load("spectral:oas"), ruleset.load("apigw:gateway")
    assert ruleset.load("apigw:recommended") == spectral | gateway
    assert spectral["operation-operationId-unique"] is ERROR and spectral["operation-tags"] is WARN
    assert "info-license" not in spectral and "oas3-schema" in spectral
    assert set(gateway) == {
        "gateway-ambiguous-paths",
        "gateway-greedy-paths",
        "gateway-overlapping-paths",
        "gateway-security-off",
        "gateway-limit-undocumented",
        "gateway-unsecured-beside-secured",
    }


def test_severities_of_every_form(write: Write) -> None:
    name = write(
        "extends: spectral:oas\n"
        "rules:\n"
        "  operation-tags: off\n"
        "  operation-description: false\n"
        "  operation-operationId: error\n"
        "  info-contact: hint\n"
        "  info-description: info\n"
        "  info-license: true\n"
        "  path-params: warn\n"
        "  operation-success-response: true\n"
        "  gateway-ambiguous-paths: true\n"
    )
    rules = ruleset.load(name)
    assert "operation-tags" not in rules and "operation-description" not in rules
    changed = {"operation-operationId": ERROR, "info-contact": HINT, "info-description": INFO, "info-license": WARN}
    changed |= {"path-params": WARN, "operation-success-response": WARN, "gateway-ambiguous-paths": ERROR}
    assert {rule: rules[rule] for rule in changed} == changed


def test_how_much_of_a_set_is_extended(write: Write) -> None:
    recommended = ruleset.load("spectral:oas")
    everything = ruleset.load(write("extends: [[spectral:oas, all]]\n"))
    assert set(recommended) < set(everything) and "info-license" in everything
    assert ruleset.load(write('{"extends": [["spectral:oas", "off"]]}', "r.json")) == {}
    only = ruleset.load(write("extends: [[spectral:oas, off]]\nrules: {operation-tags: true}\n"))
    assert only == {"operation-tags": WARN}
    assert ruleset.load(write("extends: [spectral:oas, apigw:gateway]\n")) == ruleset.load("apigw:recommended")


def test_files_extend_files(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write("extends: ../base.yaml\nrules: {operation-tags: hint}\n", "sub/mine.yaml")
    write("extends: [[spectral:oas, off]]\nrules: {operation-tags: error, info-contact: error}\n", "base.yaml")
    assert ruleset.load("sub/mine.yaml") == {"operation-tags": HINT, "info-contact": ERROR}
    assert ruleset.load(write("extends: [[base.yaml, off]]\nrules: {operation-tags: true}\n")) == {
        "operation-tags": ERROR
    }


@pytest.mark.parametrize(
    ("text", "message", "place", "hint"),
    [
        ("rules: {operation-tag: off}", 'unknown rule "operation-tag"', "1:9", 'did you mean "operation-tags"?'),
        ("rules: {parser: off}", 'unknown rule "parser"', "1:9", None),
        ("rules: {operation-tags: warning}", "\"operation-tags\" cannot be 'warning'", "1:25",
         "write one of off, error, warn, info, hint, true, false"),
        ("rules:\n  mine: {given: $, then: {function: truthy}}", 'rule "mine" is defined here', "2:3",
         "only rules that apigw has can be set"),
        ("rules: [a]", "rules must be a mapping", "1:8", None),
        ("functions: [a]\nextends: spectral:oas", '"functions" in a ruleset is not supported', "1:1",
         "extends and rules: {id: severity} are"),
        ("overrides: []", '"overrides" in a ruleset is not supported', "1:1", None),
        ("rulez: {}", 'unknown key "rulez"', "1:1", "known: extends, rules"),
        ("extends: spectral:oa", 'there is no ruleset "spectral:oa"', "1:10", 'did you mean "spectral:oas"?'),
        ("extends: https://example.org/r.yaml", 'there is no ruleset "https://', "1:10", None),
        ("extends: [[spectral:oas, most]]", "cannot extend this", "1:11", None),
        ("extends: {a: b}", "cannot extend this", "1:10", None),
        ("extends: gone.yaml", "no such file: gone.yaml", "1:10", None),
        ("extends: rules.yaml", "rules.yaml extends itself", "1:10", None),
        ("- a", "a ruleset must be a mapping", "1:1", "begin with: extends: spectral:oas"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(write: Write, text: str, message: str, place: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        ruleset.load(write(text))
    assert caught.value.message.startswith(message)
    assert str(caught.value.place) == f"rules.yaml:{place}"
    assert hint is None or caught.value.hint == hint


def test_all_that_is_wrong_is_said_at_once(write: Write) -> None:
    with pytest.raises(InputError) as caught:
        ruleset.load(write("functions: []\nrules: {a: off, b: off}\n"))
    assert len(caught.value.others) == 2


def test_words_of_the_command_line(write: Write) -> None:
    with pytest.raises(UsageError, match='there is no ruleset "spectral:asyncapi"'):
        ruleset.load("spectral:asyncapi")
    with pytest.raises(UsageError, match="is JavaScript"):
        ruleset.load(write("module.exports = {}", "spectral.js"))
    with pytest.raises(InputError, match=r"no such file: gone\.yaml"):
        ruleset.load("gone.yaml")
