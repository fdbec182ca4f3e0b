"""Rulesets: names, files in Spectral's form, and a clear word on what they cannot hold."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apigw_cli.errors import InputError, UsageError
from apigw_cli.lint import ruleset
from apigw_cli.lint.model import ERROR, HINT, INFO, WARN, Severity
from apigw_cli.openapi import reading

Write = Callable[[str], str]


def load(name: str) -> dict[str, Severity]:
    return ruleset.load(name).severities


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def ruleset_file(text: str, name: str = "rules.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return ruleset_file


def test_built_in_names() -> None:
    spectral, gateway = load("spectral:oas"), load("apigw:gateway")
    assert load("apigw:recommended") | {"gateway-body-unbounded": INFO} == spectral | gateway
    assert spectral["operation-operationId-unique"] is ERROR and spectral["operation-tags"] is WARN
    assert "info-license" not in spectral and "oas3-schema" in spectral
    assert set(gateway) == {
        "gateway-ambiguous-paths",
        "gateway-body-unbounded",
        "gateway-greedy-paths",
        "gateway-overlapping-paths",
        "gateway-no-client-certificates",
        "gateway-site-files",
        "gateway-foreign-template",
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
    rules = load(name)
    assert "operation-tags" not in rules and "operation-description" not in rules
    changed = {"operation-operationId": ERROR, "info-contact": HINT, "info-description": INFO, "info-license": WARN}
    changed |= {"path-params": WARN, "operation-success-response": WARN, "gateway-ambiguous-paths": ERROR}
    assert {rule: rules[rule] for rule in changed} == changed


def test_how_much_of_a_set_is_extended(write: Write) -> None:
    recommended = load("spectral:oas")
    everything = load(write("extends: [[spectral:oas, all]]\n"))
    assert set(recommended) < set(everything) and "info-license" in everything
    assert load(write('{"extends": [["spectral:oas", "off"]]}', "r.json")) == {}
    only = load(write("extends: [[spectral:oas, off]]\nrules: {operation-tags: true}\n"))
    assert only == {"operation-tags": WARN}
    both = load(write("extends: [apigw:recommended, apigw:gateway]"))
    assert load(write("extends: [spectral:oas, apigw:gateway]\n")) == both


def test_sets_for_other_documents_are_passed_over_beside_others(write: Write) -> None:
    text = "extends: [spectral:oas, 'spectral:asyncapi']\nrules: {asyncapi-tags: off, arazzo-info: error}\n"
    assert load(write(text)) == load("spectral:oas")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of the rulesets in the folder `web`."""
    (tmp_path / "web").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_rulesets_at_urls_extend_each_other(write: Write, server: str) -> None:
    write("extends: [[spectral:oas, off], sub.json]\nrules: {info-contact: error}\n", "web/base.yaml")
    write('{"extends": "last.yaml", "rules": {"operation-tags": "hint"}}', "web/sub.json")
    write("rules: {titled: {given: $.info, then: {field: title, function: truthy}}}\n", "web/last.yaml")
    wanted = {"info-contact": ERROR, "operation-tags": HINT, "titled": WARN}
    assert load(f"{server}/base.yaml") == load(write(f"extends: {server}/base.yaml\n")) == wanted


def test_a_ruleset_that_cannot_be_had_is_an_error_where_it_is_named(
    write: Write, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=": 404 ") as error:
        load(write(f"extends: {server}/gone.yaml\n"))
    assert error.value.place is not None and (error.value.place.line, error.value.place.column) == (1, 10)
    monkeypatch.setattr(reading, "FETCH_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(InputError, match="takes longer than"):
        load(write(f"extends: http://127.0.0.1:{silent.getsockname()[1]}/r.yaml\n"))


def test_files_extend_files(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write("extends: ../base.yaml\nrules: {operation-tags: hint}\n", "sub/mine.yaml")
    write("extends: [[spectral:oas, off]]\nrules: {operation-tags: error, info-contact: error}\n", "base.yaml")
    assert load("sub/mine.yaml") == {"operation-tags": HINT, "info-contact": ERROR}
    assert load(write("extends: [[base.yaml, off]]\nrules: {operation-tags: true}\n")) == {"operation-tags": ERROR}


THEN = "then: {function: truthy}"


@pytest.mark.parametrize(
    ("text", "message", "place", "hint"),
    [
        ("rules: {operation-tag: off}", 'unknown rule "operation-tag"', "1:9", 'did you mean "operation-tags"?'),
        ("rules: {parser: off}", 'unknown rule "parser"', "1:9", None),
        ("rules: {operation-tags: warning}", "\"operation-tags\" cannot be 'warning'", "1:25",
         "write one of off, error, warn, info, hint, true, false"),
        ("rules: [a]", "rules must be a mapping", "1:8", None),
        ("functions: [a]\nextends: spectral:oas", "functions written in JavaScript (a)", "1:1", "say it with schema"),
        ("overrides: [{rules: {}}]", "an override needs files", "1:13", None),
        ("overrides: [{files: ['*'], rule: {}}]", 'unknown key "rule" in an override', "1:28", None),
        ("overrides: [{files: ['*#/a'], rules: {operation-tags: true}}]", "below a pointer", "1:55", None),
        ("rulez: {}\nrules: {}", 'unknown key "rulez"', "1:1", 'did you mean "rules"?'),
        ("description: d", "a ruleset needs extends, rules or overrides", "1:1", None),
        ("extends: spectral:oa", 'there is no ruleset "spectral:oa"', "1:10", 'did you mean "spectral:oas"?'),
        ("extends: spectral:asyncapi", "spectral:asyncapi is about other documents", "1:10", "leave it out"),
        ("extends: '@me/rules'", 'there is no ruleset "@me/rules"', "1:10", "known:"),
        ("extends: ./mine.mjs", "./mine.mjs is JavaScript", "1:10", "write the ruleset as YAML or JSON"),
        ("extends: [[spectral:oas, most]]", "cannot extend this", "1:11", None),
        ("extends: {a: b}", "cannot extend this", "1:10", None),
        ("extends: gone.yaml", "no such file: gone.yaml", "1:10", None),
        ("extends: rules.yaml", "rules.yaml extends itself", "1:10", None),
        ("- a", "a ruleset must be a mapping", "1:1", "begin with: extends: spectral:oas"),
        ("rules: {m: {given: $}}", 'the rule "m" needs given and then', "1:9", None),
        ("rules: {m: {given: a, " + THEN + "}}", "a path such as $.paths[*] is expected", "1:20", None),
        ("rules: {m: {given: '$.a[', " + THEN + "}}", "$.a[: a name, an index", "1:20", None),
        ("rules: {m: {given: '$[?(@index)]', " + THEN + "}}", "$[?(@index)]: unsupported shorthand", "1:20", None),
        ("rules: {m: {given: '#A', " + THEN + "}}", "#A: there is no alias 'A'", "1:20", None),
        ("aliases: {A: '#B', B: '#A'}\nrules: {m: {given: '#A', " + THEN + "}}",
         "#A: the alias 'A' leads back to itself: A -> B -> A", "2:20", None),
        ("rules: {m: {given: $, then: {function: truth}}}", "there is no function 'truth'", "1:40",
         'did you mean "truthy"?'),
        ("rules: {m: {given: $, then: {function: pattern, functionOptions: {match: '['}}}}",
         "this is no regular expression of JavaScript", "1:74", None),
        ("rules: {m: {given: $, then: {function: casing, functionOptions: {type: camal}}}}",
         'the option "type" of "casing" must be one of flat, camel', "1:72", None),
        ("rules: {m: {given: $, then: {function: length, functionOptions: {mini: 1}}}}",
         '"length" does not support the option "mini"', "1:72", None),
        ("rules: {m: {given: $, then: {function: truthy, functionOptions: {a: 1}}}}",
         '"truthy" takes no', "1:65", None),
        ("rules: {m: {given: $, then: {function: schema, functionOptions: {schema: {type: text}}}}}",
         "schema is invalid: data/type must be equal to one of the allowed values", "1:74", None),
        ("rules: {m: {given: $, then: {function: xor, functionOptions: {properties: [a]}}}}",
         'the option "properties" of "xor" takes two names or more', "1:75", None),
        ("rules: {m: {given: $, serverity: off, " + THEN + "}}", 'unknown key "serverity" in a rule', "1:23",
         'did you mean "severity"?'),
        ("rules: {m: {given: $, formats: [oas4], " + THEN + "}}", "unknown format in ['oas4']", "1:32", "known: oas2"),
        ("parserOptions: {a: off}\nrules: {}", 'unknown key "a" in parserOptions', "1:17", None),
    ],
)  # fmt: skip
def test_what_cannot_be_used(write: Write, text: str, message: str, place: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        load(write(text))
    assert caught.value.message.startswith(message)
    assert str(caught.value.place) == f"rules.yaml:{place}"
    assert hint is None or (caught.value.hint or "").startswith(hint)


def test_all_that_is_wrong_is_said_at_once(write: Write) -> None:
    with pytest.raises(InputError) as caught:
        load(write("functions: [f]\nrules: {a: off, b: off}\n"))
    assert len(caught.value.others) == 2


def test_words_of_the_command_line(write: Write) -> None:
    with pytest.raises(UsageError, match='there is no ruleset "spectral:asyncapi"'):
        load("spectral:asyncapi")
    with pytest.raises(UsageError, match="is JavaScript"):
        load(write("module.exports = {}", "spectral.js"))
    with pytest.raises(InputError, match=r"no such file: gone\.yaml"):
        load("gone.yaml")
