"""`apigw lint --fix`: what it changes and, byte for byte, what it does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apigw_cli.cli.app import run
from apigw_cli.errors import Exit
from apigw_cli.lint.fix.run import FixedFile, fix_file
from apigw_cli.openapi.document import Document, Library, parse
from apigw_cli.openapi.reading import read_document
from tests.lint.support import findings as found_in

Captured = pytest.CaptureFixture[str]
RULES = "extends: [spectral:oas]\nrules: {openapi-tags-alphabetical: warn, response-codes-quoted: info}\n"
HEAD = "openapi: 3.0.3\ninfo: {title: t, version: '1', contact: {}, description: d}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_text(RULES)
    return tmp_path


def fixed(folder: Path, text: str, name: str = "f.yaml") -> str:
    """The text after --fix, which a second run leaves alone."""
    path = folder / name
    path.write_bytes(text.encode())
    run(["lint", name, "--ruleset", "r.yaml", "--fix", "-q"])
    once = path.read_bytes()
    run(["lint", name, "--ruleset", "r.yaml", "--fix", "-q"])
    assert path.read_bytes() == once
    return once.decode()


CASES = {
    "slash, plain": ("servers:\n  - url: https://x/v1/ # c\n", "servers:\n  - url: https://x/v1 # c\n"),
    "slash, double quotes": ('servers: [{"url": "/v1//" }]\n', 'servers: [{"url": "/v1" }]\n'),
    "slash, single quotes": ("servers: [{url: '/v1/'}]\n", "servers: [{url: '/v1'}]\n"),
    "enum, block": (
        "components: {schemas: {A: {x: 1}}}\nx:\n  enum:\n    - a\n    # of b\n    - b\n    - a\n    - c\n",
        "components: {schemas: {A: {x: 1}}}\nx:\n  enum:\n    - a\n    # of b\n    - b\n    - c\n",
    ),
    "enum, at the end without a line end": ("x:\n  enum:\n  - 1\n  - 1", "x:\n  enum:\n  - 1"),
    "enum, flow over lines": ("x: {enum: [a,\n   b, a,\n   'b']}\n", "x: {enum: [a,\n   b]}\n"),
    "enum, 1 is 1.0 but not true": ("x: {enum: [1, true, 1.0]}\n", "x: {enum: [1, true]}\n"),
    "tags, block": (
        "tags:\n  # of b\n  - name: b\n    description: d\n\n  - name: a # of a\n",
        "tags:\n  - name: a # of a\n  # of b\n  - name: b\n    description: d\n\n",
    ),
    "tags, the last without a line end": ("tags:\n- name: b\n- name: a", "tags:\n- name: a\n- name: b"),
    "tags, flow": (
        "tags: [{name: b}, {name: a, description: x} ]\n",
        "tags: [{name: a, description: x}, {name: b} ]\n",
    ),
    "tags, twice and out of order": (
        "tags:\n  - {name: b, description: d}\n  - {name: a}\n  - name: b\n",
        "tags:\n  - {name: a}\n  - {name: b, description: d}\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fixes(folder: Path, case: str, newline: str) -> None:
    before, after = (f"# {case}\n{HEAD}{text}".replace("\n", newline) for text in CASES[case])
    assert fixed(folder, before + "") == after


PARAMETER = HEAD + "paths:\n  /a/{b}:\n    parameters:\n      - "


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: b # n\n        in: path  # i\n        schema: {}\n",
         "name: b # n\n        in: path  # i\n        required: true\n        schema: {}\n"),
        ("in: path\n        name: b\n", "in: path\n        required: true\n        name: b\n"),
        ("{name: b, in: path, schema: {}}\n", "{name: b, in: path, required: true, schema: {}}\n"),
        ("{ 'in': 'path', name: b}\n", "{ 'in': 'path', 'required': true, name: b}\n"),
        ("{name: b, in: path, required: false}\n", "{name: b, in: path, required: true}\n"),
        ("{name: b, in: path, required: 'true'}\n", "{name: b, in: path, required: true}\n"),
        ("{name: b,\n         in: path}\n", "{name: b,\n         in: path,\n         required: true}\n"),
    ],
)  # fmt: skip
def test_path_parameters_become_required(folder: Path, before: str, after: str) -> None:
    assert fixed(folder, PARAMETER + before) == PARAMETER + after


def test_response_codes_get_quotes_of_the_kind_that_is_there(folder: Path) -> None:
    text = HEAD + "paths:\n  /a:\n    get:\n      responses:\n        200: {description: d}\n        x-y: 1\n"
    assert '\n        "200": {description: d}\n' in fixed(folder, text)
    text = text.replace("x-y: 1", "'404': {description: d}")
    assert "\n        '200': {description: d}\n" in fixed(folder, text)


def test_json_keeps_its_form(folder: Path) -> None:
    before = (
        '{"openapi": "3.0.3",\n\t"servers": [{"url":"http:\\/\\/x\\/"}],\n'
        ' "tags":[{"name":"b"},{"name":"a"},{"name":"b"}],\n "paths": {"/a/{b}": {"parameters": [{\n'
        '   "name": "b",\n   "in" : "path"\n  }]}}, "x": {"enum": [\n  1,\n  1\n ]}}\n'
    )
    after = (
        '{"openapi": "3.0.3",\n\t"servers": [{"url":"http:\\/\\/x"}],\n'
        ' "tags":[{"name":"a"},{"name":"b"}],\n "paths": {"/a/{b}": {"parameters": [{\n'
        '   "name": "b",\n   "in" : "path",\n   "required" : true\n  }]}}, "x": {"enum": [\n  1\n ]}}\n'
    )
    assert fixed(folder, before, "f.json") == after


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x: {enum: &e [a, a]}\ny: {enum: *e}\n", "it is part of &e, which is used elsewhere too"),
        ("x: &x {enum: [a, a]}\ny: {<<: *x}\n", "it comes from a merge (<<)"),
        ("x: {enum: [&e a, *e]}\n", "anchors or aliases stand in the list"),
        ("x:\n  enum:\n    - a\n    - a # why\n", "a comment stands beside it"),
        ("x:\n  enum: [a, # why\n   a]\n", "a comment stands beside it"),
        ("tags: [{name: a, description: x}, {name: a, description: y}]\n", "the two say different things"),
        ("servers: [{url: !!str /v1/}]\n", "has a tag"),
        ("servers:\n  - url: |-\n      /v1/\n", "it is a block of text"),
        ('servers: [{url: "/v1\\x2f"}]\n', "the slash is written in another way"),
        ("x: {enum: [a, a]}\nx: {enum: [a, a]}\n", "duplicate keys"),
    ],
)
def test_what_is_not_safe_is_left_and_said(folder: Path, capsys: Captured, text: str, reason: str) -> None:
    (folder / "f.yaml").write_text(HEAD + text)
    run(["lint", "f.yaml", "--ruleset", "r.yaml", "--fix"])
    assert (folder / "f.yaml").read_text() == HEAD + text
    assert reason in capsys.readouterr().err


def test_what_is_ignored_is_not_fixed(folder: Path) -> None:
    text = HEAD + "servers:\n  - url: /a/ # apigw-lint-ignore oas3-server-trailing-slash\n  - url: /b/\n"
    assert fixed(folder, text) == text.replace("/b/", "/b")


def test_a_part_in_another_file_is_fixed_there(folder: Path, capsys: Captured) -> None:
    (folder / "p.yaml").write_text("b:\n  name: b\n  in: path\n")
    fixed(folder, HEAD + "paths:\n  /a/{b}:\n    parameters:\n      - $ref: p.yaml#/b\n")
    assert (folder / "p.yaml").read_text() == "b:\n  name: b\n  in: path\n  required: true\n"
    (folder / "s.yaml").write_text("A: {enum: [a, a]}\n")
    fixed(folder, HEAD + "paths: {}\ncomponents: {schemas: {A: {$ref: 's.yaml#/A'}}}\n")
    assert (folder / "s.yaml").read_text() == "A: {enum: [a]}\n"


def test_the_dry_run_is_a_patch(folder: Path, capsys: Captured) -> None:
    text = HEAD + "servers:\n  - url: /a/\ntags:\n- name: b\n- name: a"
    (folder / "f.yaml").write_text(text)
    assert run(["lint", "f.yaml", "--ruleset", "r.yaml", "--fix-dry-run"]) == Exit.DIFFERENT
    captured = capsys.readouterr()
    assert (folder / "f.yaml").read_text() == text and "✓ 2 can be fixed in 1 file" in captured.err
    subprocess.run(["git", "apply", "-p1"], input=captured.out.encode(), check=True, cwd=folder)
    assert (folder / "f.yaml").read_text() == HEAD + "servers:\n  - url: /a\ntags:\n- name: a\n- name: b"
    assert run(["lint", "f.yaml", "--ruleset", "r.yaml", "--fix-dry-run"]) == Exit.OK
    assert capsys.readouterr().out == ""


def test_a_file_that_changed_meanwhile_is_left_alone(folder: Path) -> None:
    (folder / "f.yaml").write_text("new")
    with pytest.raises(Exception, match=r"f\.yaml was changed while it was linted"):
        FixedFile("f.yaml", "old", "older", 1).write()
    assert (folder / "f.yaml").read_text() == "new"


def test_the_byte_order_mark_and_the_mode_stay(folder: Path) -> None:
    path = folder / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b"servers: [{url: /a/}]\n")
    path.chmod(0o640)
    run(["lint", "f.yaml", "--fix", "-q"])
    assert path.read_bytes() == b"\xef\xbb\xbf" + HEAD.encode() + b"servers: [{url: /a}]\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_report_is_of_what_is_left(folder: Path, capsys: Captured) -> None:
    (folder / "f.yaml").write_text(HEAD + "servers: [{url: /a/}]\npaths: {}\n")
    run(["lint", "f.yaml"])
    assert "· 1 fixable with --fix" in capsys.readouterr().out
    assert run(["lint", "f.yaml", "--fix", "--fail-severity", "hint"]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.out.startswith("✓ no findings") and captured.err == "✓ 1 fixed in 1 file\n"


# --- any document: it means what it should, and the rest of the text is the same

words = st.sampled_from(["a", "b", "c", "Z", "1", "true", "no", "x y"])
tag = st.fixed_dictionaries({"name": words}, optional={"description": words, "x-n": st.integers(0, 2)})
document = st.fixed_dictionaries(
    {"tags": st.lists(tag, max_size=4), "urls": st.lists(st.sampled_from(["/a", "/b/", "/", "x//"]), max_size=3),
     "enum": st.lists(st.sampled_from(["a", "b", 1, 1.0, True, None, "1"]), min_size=1, max_size=6),
     "style": st.sampled_from(["block", "flow", "json", "pretty"]), "newline": st.sampled_from(["\n", "\r\n"]),
     "comments": st.booleans(), "required": st.sampled_from([None, False, True, "yes"])}
)  # fmt: skip


def written(made: dict[str, Any]) -> tuple[str, str]:
    parameter: dict[str, Any] = {"name": "p", "in": "path", "schema": {"enum": made["enum"]}}
    if made["required"] is not None:
        parameter["required"] = made["required"]
    data = {
        "openapi": "3.0.3",
        "tags": made["tags"],
        "servers": [{"url": url} for url in made["urls"]],
        "paths": {"/a/{p}": {"parameters": [parameter]}},
    }
    if made["style"] in ("json", "pretty"):
        return json.dumps(data, indent=2 if made["style"] == "pretty" else None), "f.json"
    lines = list(_block(data, 0, made["comments"])) if made["style"] == "block" else list(_flow(data, made["comments"]))
    return made["newline"].join(lines) + made["newline"], "f.yaml"


def _flow(data: dict[str, Any], comments: bool) -> Any:
    for key, value in data.items():
        yield f"{key}: {json.dumps(value)}" + (f" # of {key}" if comments else "")


def _block(value: Any, depth: int, comments: bool, lead: str = "") -> Any:
    pad = "  " * depth
    entries = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for number, (key, item) in enumerate(entries):
        if comments and number % 2 and not lead:
            yield f"{pad}# above {key or number}"
        start = (lead if number == 0 and lead else pad) + (f"{json.dumps(key)}:" if key is not None else "-")
        if isinstance(item, dict | list) and item:
            if key is None and isinstance(item, dict):
                yield from _block(item, depth + 1, comments, lead=pad + "- ")
            else:
                yield start
                yield from _block(item, depth + 1, comments)
        else:
            yield f"{start} {json.dumps(item)}" + (" # beside" if comments and number % 3 == 2 else "")


RULE_IDS = ("oas3-server-trailing-slash", "duplicated-entry-in-enum", "openapi-tags-uniqueness",
            "openapi-tags-alphabetical", "path-params")  # fmt: skip


def lint_text(document: Document) -> list[Any]:
    from apigw_cli.lint.engine import Collector, lint_document
    from apigw_cli.lint.registry import BY_ID
    from apigw_cli.lint.ruleset import Ruleset

    collector = Collector(Ruleset.of(BY_ID[rule] for rule in RULE_IDS))
    lint_document(document, Library.of({}), collector)
    return [finding for finding in collector.findings() if finding.code in RULE_IDS]


def distinct(values: list[Any]) -> list[Any]:
    return [*dict.fromkeys((type(value) is bool, value) for value in values)]


@settings(max_examples=80)
@given(document)
def test_any_document(tmp_path_factory: pytest.TempPathFactory, made: dict[str, Any]) -> None:
    text, name = written(made)
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(text.encode())
    data, composed, _ = read_document(text, str(path))
    before = Document(str(path), str(path), text, data, composed=composed)
    result = fix_file(before, lint_text(before), lint_text)
    after = parse(result.after, name)
    assert result.after.count("#") == text.count("#")
    assert result.after.count("\r") == result.after.count("\n") * ("\r" in text)
    # Nothing but the fixes: tags and values that were there are there, once; all else is equal.
    assert {t["name"] for t in after["tags"]} == {t["name"] for t in data["tags"]}
    enum = after["paths"]["/a/{p}"]["parameters"][0]["schema"]["enum"]
    assert distinct(enum) == distinct(made["enum"])
    assert [server["url"].rstrip("/") for server in after["servers"]] == [url.rstrip("/") for url in made["urls"]]
    assert after["openapi"] == "3.0.3" and set(after) == set(data)
    # A second run finds nothing to do.
    again = Document(str(path), str(path), result.after, after, composed=read_document(result.after, str(path))[1])
    assert not fix_file(again, lint_text(again), lint_text).is_changed
    # What a fix was not refused for is mended.
    refused = {code for _, code in result.left}
    assert {finding.code for finding in lint_text(again)} <= refused


def test_the_support_lints_as_the_command_does() -> None:
    assert [f.code for f in found_in(HEAD + "servers: [{url: /a/}]\n", "oas3-server-trailing-slash")]
