"""The reports: for people, and for the machines that read them."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from apigw_cli.errors import Place
from apigw_cli.lint.model import ERROR, HINT, INFO, WARN, Finding, Severity
from apigw_cli.lint.report import Report
from apigw_cli.lint.reports import machine
from apigw_cli.lint.reports.formats import FORMATS, text_of
from apigw_cli.lint.reports.html import html
from apigw_cli.lint.reports.junit import junit
from apigw_cli.lint.reports.markdown import markdown
from apigw_cli.lint.reports.stylish import FRAMES, PER_RULE, Look, render
from apigw_cli.openapi.document import Document, parse

TEXT = "openapi: 3.0.0\ninfo:\n\ttitle: x\npaths:\n  /pets: {get: {operationId: a b}}\n"


def finding(
    code: str = "operation-tags",
    severity: Severity = WARN,
    line: int = 5,
    column: int = 10,
    length: int = 3,
    message: str = "No tags.",
    file: str = "a.yaml",
    hint: str | None = None,
    related: tuple[tuple[Place, str], ...] = (),
) -> Finding:
    start, end = Place(file, line, column), Place(file, line, column + length)
    span = ((line - 1, column - 1), (line - 1, column - 1 + length))
    return Finding(code, message, severity, start, end, ("paths", "/pets", 0), hint, related, span)


def report(*findings: Finding, blocked: bool = False) -> Report:
    document = Document("a.yaml", "a.yaml", TEXT, parse(TEXT.replace("\t", "  "), "a.yaml"))
    return Report(list(findings), 2, 0.214, blocked, {"a.yaml": document})


def lines(found: Report, **look: bool) -> list[str]:
    return list(render(found, Look(**look)))


def test_nothing_found() -> None:
    assert lines(report()) == ["✓ no findings in 2 files (0.21 s)"]


def test_a_finding_has_its_line_a_mark_and_what_to_do() -> None:
    found = report(finding(severity=ERROR, hint="add some"), finding(column=16, length=11), blocked=True)
    assert lines(found) == [
        "a.yaml:5:10  error  operation-tags  No tags.",
        "     5 |   /pets: {get: {operationId: a b}}",
        "       |          ^^^",
        "  try  add some",
        "a.yaml:5:16  warn  operation-tags  No tags.",
        "     5 |   /pets: {get: {operationId: a b}}",
        "       |                ^^^^^^^^^^^",
        "",
        "✗ 1 error, 1 warning in 2 files (0.21 s)     apigw lint --explain operation-tags",
    ]


def test_below_the_threshold_the_verdict_is_a_warning() -> None:
    found = report(finding(severity=INFO), finding(severity=HINT), finding(severity=HINT, code="no-$ref-siblings"))
    assert lines(found)[-1] == "! 1 info, 2 hints in 2 files (0.21 s)     apigw lint --explain operation-tags"
    assert lines(report(finding(code="no-$ref-siblings")))[-1].endswith("--explain 'no-$ref-siblings'")


def test_quiet_is_the_verdict_alone() -> None:
    assert lines(report(finding()), quiet=True) == ["! 1 warning in 2 files (0.21 s)"]


def test_many_findings_of_one_rule_are_cut_short() -> None:
    many = [finding(line=5, column=n + 1, length=1) for n in range(14)]
    other = finding(code="info-contact", file="b.yaml")
    shown = lines(report(*many, other))
    assert sum("operation-tags  No" in line for line in shown) == PER_RULE
    assert "a.yaml  … and 4 more operation-tags (-v or --format json shows all)" in shown
    assert sum("No tags" in line for line in lines(report(*many, other), verbose=True)) == 15


def test_frames_are_for_the_first_findings_only() -> None:
    codes = ("info-contact", "info-description", "operation-tags")
    many = [finding(code=code, column=n + 1, length=1) for code in codes for n in range(PER_RULE)]
    assert sum(" |   /pets" in line for line in lines(report(*many))) == FRAMES
    assert sum(" |   /pets" in line for line in lines(report(*many), verbose=True)) == len(many)


def test_another_place_is_named_and_many_when_asked_for() -> None:
    places = tuple((Place("b.yaml", line, 4), f"other {line}") for line in (3, 5))
    assert "  see  b.yaml:3:4  other 3" in lines(report(finding(related=places[:1])))
    assert not any("other" in line for line in lines(report(finding(related=places))))
    shown = lines(report(finding(related=places)), verbose=True)
    assert "  see  b.yaml:3:4  other 3" in shown and "  see  b.yaml:5:4  other 5" in shown


def test_tabs_and_long_lines_keep_the_mark_in_its_place(tmp_path: Path) -> None:
    assert lines(report(finding(line=3, column=2, length=5)))[1:3] == ["     3 |  title: x", "       |  ^^^^^"]
    long = Document("a.yaml", "a.yaml", "x" * 500 + "HERE" + "y" * 500, None)
    shown = list(render(Report([finding(line=1, column=501, length=4)], 1, 0, False, {"a.yaml": long}), Look()))
    assert shown[1].index("HERE") == shown[2].index("^^^^") and len(shown[1]) < 200


def test_what_a_file_says_does_not_steer_the_terminal() -> None:
    shown = lines(report(finding(message="bad \x1b[2J\u202e name", file="c\x1b.yaml")))
    assert shown[0] == "c\\x1b.yaml:5:10  warn  operation-tags  bad \\x1b[2J\\u202e name"


def test_spectrals_json() -> None:
    assert json.loads(machine.json(report())) == []
    assert json.loads(machine.json(report(finding(severity=INFO)))) == [
        {
            "code": "operation-tags",
            "path": ["paths", "/pets", "0"],
            "message": "No tags.",
            "severity": 2,
            "range": {"start": {"line": 4, "character": 9}, "end": {"line": 4, "character": 12}},
            "source": "a.yaml",
        }
    ]


# The parts of the SARIF 2.1.0 schema (OASIS) that a run of a linter uses.
REGION = {
    "type": "object",
    "required": ["startLine", "startColumn"],
    "additionalProperties": False,
    "properties": {name: {"type": "integer", "minimum": 1} for name in
                   ("startLine", "startColumn", "endLine", "endColumn")},
}  # fmt: skip
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION = {
    "type": "object",
    "properties": {
        "message": MESSAGE,
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "uri": {"type": "string", "format": "uri-reference"},
                        "uriBaseId": {"type": "string"},
                    },
                },
                "region": REGION,
            },
        },
    },
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "helpUri": {"type": "string", "format": "uri"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "properties": {
            "type": "object",
            "properties": {"tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}}},
        },
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
    },
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION},
        "relatedLocations": {"type": "array", "items": LOCATION, "uniqueItems": True},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": RULE}},
                            }
                        },
                    },
                    "automationDetails": {"type": "object", "properties": {"id": {"type": "string"}}},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                },
            },
        },
    },
}


def test_sarif_is_valid_and_its_results_point_at_their_rules() -> None:
    found = report(
        finding(severity=ERROR, hint="add", file="dir/a b.yaml"),
        finding(code="info-contact", severity=HINT, length=0, related=((Place("b.yaml", 3, 4), "other"),)),
    )
    log = json.loads(machine.sarif(found))
    jsonschema_rs.validate(SARIF, log, validate_formats=True)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    first, second = run["results"]
    assert first["level"] == "error" and first["message"]["text"] == "No tags. (add)"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "dir/a%20b.yaml"
    assert place["region"] == {"startLine": 5, "startColumn": 10, "endLine": 5, "endColumn": 13}
    assert second["level"] == "note" and "endLine" not in second["locations"][0]["physicalLocation"]["region"]
    assert second["relatedLocations"][0]["message"]["text"] == "other"


@pytest.mark.parametrize(
    ("severity", "command"), [(ERROR, "error"), (WARN, "warning"), (INFO, "notice"), (HINT, "notice")]
)
def test_github_commands_are_escaped(severity: Severity, command: str) -> None:
    text = machine.github(report(finding(severity=severity, file="a:b,c.yaml", message="50 %\nnext\r: line, x")))
    assert text == (
        f"::{command} file=a%3Ab%2Cc.yaml,line=5,col=10,endLine=5,endColumn=13,title=operation-tags"
        "::50 %25%0Anext%0D: line, x"
    )


# --- for CI servers and browsers

NASTY = "<script>alert('&')</script> | `x` @someone [a](b)\n\x1b[2J\u202e"


def nasty() -> Report:
    document = Document("a<b>.yaml", "a<b>.yaml", f"openapi: 3.0.0 # {NASTY}", None)
    found = finding(severity=ERROR, line=1, message=NASTY, file="a<b>.yaml", hint=NASTY)
    return Report([found], 1, 0.2, True, {"a<b>.yaml": document}, names=("a<b>.yaml", "clean.yaml"))


def test_gitlab_issues_have_distinct_fingerprints_that_survive_moved_lines() -> None:
    twins = [finding(), finding()]
    issues = json.loads(machine.gitlab(report(*twins)))
    moved = json.loads(machine.gitlab(report(*[finding(line=9), finding(line=9)])))
    marks = [issue["fingerprint"] for issue in issues]
    assert len(set(marks)) == 2 and marks == [issue["fingerprint"] for issue in moved]
    assert issues[0]["location"] == {"path": "a.yaml", "lines": {"begin": 5, "end": 5}}
    assert (issues[0]["severity"], issues[0]["check_name"]) == ("major", "operation-tags")


def test_junit_is_xml_where_what_blocks_fails() -> None:
    found = nasty()
    found.findings.append(finding(file="b.yaml"))
    suites = ElementTree.fromstring(junit(found))
    assert (suites.get("tests"), suites.get("failures")) == ("3", "1")
    assert [suite.get("name") for suite in suites] == ["a<b>.yaml", "clean.yaml", "b.yaml"]
    failed, clean, passed = suites.findall("./testsuite/testcase")
    failure = failed.find("failure")
    assert failure is not None and "<script>alert('&')</script>" in (failure.text or "")
    assert clean.get("name") == "no findings" and len(clean) == 0
    assert [child.tag for child in passed] == ["system-out"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_html_escapes_and_loads_nothing() -> None:
    page = html(nasty())
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "link", "iframe", "a"} & set(tags.names)
    assert not {"src", "href", "onerror"} & set(tags.attributes)
    assert "&lt;script&gt;" in page and "<mark>" in page and "\x1b" not in page and "\u202e" not in page
    assert "no findings" in html(report())


def test_markdown_is_one_row_for_a_finding_and_fits_a_comment() -> None:
    text = markdown(nasty())
    (row,) = [line for line in text.splitlines() if "error |" in line]
    assert "<script>" not in row and "@someone" not in row and row.replace("\\|", "").count("|") == 5
    many = markdown(report(*[finding(message="x" * 200, column=n + 1) for n in range(1000)]))
    assert len(many) < 65_536 and "more: `apigw lint --format json`" in many
    assert markdown(report()) == "### apigw lint: ✓ no findings in 2 files (0.21 s)"


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_takes_a_rule_of_ones_own_and_no_findings(form: str) -> None:
    assert "my-own-rule" in text_of(report(finding(code="my-own-rule")), form)
    assert text_of(report(), form) is not None
