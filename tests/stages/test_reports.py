"""A comparison in every format, its JSON Schema, and the exit codes of other tools."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from tests.stages.conftest import Apigw, Shop

HOSTILE = 'tag: {type: string, enum: ["<script>alert(1)</script>", "a|b", "::error::x%0A"]}'


@pytest.fixture
def changed(shop: Shop, apigw: Apigw) -> Shop:
    """prod runs the shop; qa has a weakening, a break and an addition, with text from a file that means harm."""
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
    shop.edit("shop.yaml", "tag: {type: string}", HOSTILE)
    shop.edit(
        "shop.yaml", "        name: {type: string}\n", "        name: {type: string}\n        age: {type: integer}\n"
    )
    assert apigw("deploy", "qa").code == 0
    return shop


FORMATS = ("json", "markdown", "html", "junit", "github", "sarif", "gitlab")


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_goes_to_stdout_or_to_a_file_and_stderr_is_empty(changed: Shop, apigw: Apigw, form: str) -> None:
    printed = apigw("diff", "qa", "prod", "--format", form)
    assert (printed.code, printed.err) == (0, "")
    again = apigw("diff", "qa", "prod", "--format", form, "-o", "report", "--fail-on", "weakening")
    assert (again.code, again.err) == (4, "")
    assert (changed.root / "report").read_text() == printed.out
    assert again.out.splitlines()[-1] == "wrote report"


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_differs(shop: Shop, apigw: Apigw, form: str) -> None:
    done = apigw("diff", "shop.yaml", "./shop.yaml", "--format", form, "--exit-code")
    assert (done.code, done.err, bool(done.out)) == (0, "", form != "github")


class TestJson:
    def test_it_is_what_its_schema_says(self, changed: Shop, apigw: Apigw) -> None:
        schema = apigw("diff", "--schema")
        assert (schema.code, schema.json["$schema"]) == (0, "https://json-schema.org/draft/2020-12/schema")
        check = jsonschema_rs.validator_for(schema.json)
        changed.edit("stages/prod.yaml", "pets_url:", "other: 1, pets_url:")
        report = apigw("diff", "qa", "prod", "--format", "json").json
        assert list(check.iter_errors(report)) == []
        assert list(check.iter_errors(apigw("diff", "shop.yaml", "shop.yaml", "--format", "json").json)) == []
        for broken in (report | {"verdict": "fine"}, report | {"more": 1}, {**report, "version": 2}):
            assert not check.is_valid(broken)

    def test_which_side_is_ahead(self, changed: Shop, apigw: Apigw) -> None:
        changed.edit("stages/prod.yaml", "pets_url:", "other: 1, pets_url:")
        changed.edit("stages/qa.yaml", "pets_url:", "mine: 1, pets_url:")
        assert apigw("deploy", "qa").code == 0
        report = apigw("diff", "qa", "prod", "--format", "json").json
        assert report["presence"]["stage_differences"] == {"only_in_base": 1, "only_in_revision": 1, "differs": 1}
        assert {one["path"]: one["presence"] for one in report["stage_differences"]} == {
            "variables.other": "only_in_base",  # prod has it
            "variables.mine": "only_in_revision",
            "variables.pets_url": "differs",
        }
        counted = report["presence"]["findings"]
        assert sum(counted.values()) == len(report["findings"])
        assert counted["only_in_revision"] == sum(one["old"] is None for one in report["findings"]) > 0

    def test_what_to_do_about_it(self, changed: Shop, apigw: Apigw) -> None:
        findings = apigw("diff", "qa", "prod", "--format", "json").json["findings"]
        first = findings[0]
        assert (first["level"], first["why"]) == ("weaken", "each api_key may do 10 times as much")
        assert first["fix"] == (
            "set rate_limit back to what it was; or accept it: "
            f'apigw promote qa prod --accept {first["fingerprint"]} --reason "…"'
        )
        assert {bool(one["fix"]) for one in findings if one["level"] in ("INFO", "neutral")} <= {False}

    def test_what_to_do_about_many_accepts_all_of_them(self, changed: Shop, apigw: Apigw) -> None:
        changed.edit("apigw.yaml", "rate: 50/s, burst: 20", "rate: 500/s, burst: 20")
        assert apigw("deploy", "qa").code == 0
        said = apigw("diff", "qa", "prod", "-v").out.splitlines()
        row = next(line for line in said if "weakens" in line and "500/s" in line)
        assert "more)" in row
        todo = next(line for line in said[said.index(row) :] if "to do:" in line)
        assert f"--accept {row.split()[-1]} " in todo and "set rate_limit back" in todo
        page = apigw("diff", "qa", "prod", "--format", "html").out
        assert f"--accept {row.split()[-1]} " in page

    def test_what_is_new_at_many_routes_is_one_thing_to_accept(self, shop: Shop, apigw: Apigw) -> None:
        assert apigw("promote", "qa", "prod", "--yes").code == 0
        shop.edit("apigw.yaml", "    defaults:\n", "    defaults:\n      cors: {origins: ['*']}\n")
        assert apigw("deploy", "qa").code == 0
        (row,) = [line for line in apigw("diff", "qa", "prod").out.splitlines() if "weakens" in line]
        assert "more)" in row and "cors none → scripts of every origin" in row
        assert apigw("promote", "qa", "prod", "--yes", "--accept", row.split()[-1], "--reason", "x").code == 0

    def test_fingerprints_stay_while_a_finding_says_the_same(self, changed: Shop, apigw: Apigw) -> None:
        def fingerprints() -> set[str]:
            return {one["fingerprint"] for one in apigw("diff", "qa", "prod", "--format", "json").json["findings"]}

        before = fingerprints()
        changed.edit("apigw.yaml", "version: 1\n", "# moved\n\nversion: 1\n")
        changed.edit("apigw.yaml", "rate: 50/s, burst: 5", "burst: 5, rate: 50/s")
        apigw("deploy", "qa")
        assert fingerprints() == before
        changed.edit("apigw.yaml", "rate: 50/s, burst: 20", "rate: 50/s, burst: 30")
        apigw("deploy", "qa")
        assert before < fingerprints()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_needs_nothing_else_and_runs_nothing(changed: Shop, apigw: Apigw) -> None:
    page = _Page()
    page.feed(apigw("diff", "qa", "prod", "--format", "html").out)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert page.links == []
    assert "<script>alert(1)</script>" in page.text
    assert page.text.index("What it does to protection") < page.text.index("What it does to clients")
    assert "each api_key may do 10 times as much" in page.text


def test_junit(changed: Shop, apigw: Apigw) -> None:
    report = apigw("diff", "qa", "prod", "--format", "json").json
    root = ElementTree.fromstring(apigw("diff", "qa", "prod", "--format", "junit").out)
    blocking = report["counts"]["breaking"] + report["counts"]["weakening"]
    assert (root.get("tests"), root.get("failures")) == (str(len(report["findings"])), str(blocking))
    assert len(root.findall(".//failure")) == blocking
    assert [suite.get("name") for suite in root] == ["contract", "protection"]


def test_github_commands_are_one_line_each(changed: Shop, apigw: Apigw) -> None:
    counts = apigw("diff", "qa", "prod", "--format", "json").json["counts"]
    lines = apigw("diff", "qa", "prod", "--format", "github").out.splitlines()
    assert len(lines) == counts["breaking"] + counts["weakening"] + counts["warnings"]
    assert lines[0].startswith("::error file=apigw.yaml,line=11,col=21,title=rate-limit-weakened::createPet: limit 5/s")
    assert all(
        line.startswith(("::error ", "::warning ")) and "x%0A" not in line.replace("%250A", "") for line in lines
    )


def test_sarif(changed: Shop, apigw: Apigw) -> None:
    (run,) = apigw("diff", "qa", "prod", "--format", "sarif").json["runs"]
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert ids == sorted(set(ids))
    assert all(ids[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("rate-limit-weakened", "error")
    physical = first["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "apigw.yaml"
    assert physical["region"] == {"startLine": 11, "startColumn": 21}


def test_gitlab(changed: Shop, apigw: Apigw) -> None:
    issues = apigw("diff", "qa", "prod", "--format", "gitlab").json
    assert issues[0]["severity"] == "critical"
    assert issues[0]["location"] == {"path": "apigw.yaml", "lines": {"begin": 11}}
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def test_markdown_cannot_be_broken_out_of(changed: Shop, apigw: Apigw) -> None:
    text = apigw("diff", "qa", "prod", "--format", "markdown").out
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}


# --- exit codes


@pytest.mark.parametrize(
    ("style", "same", "different", "failed"), [("house", 0, 0, 1), ("terraform", 0, 2, 1), ("diff", 0, 1, 2)]
)
def test_exit_styles(changed: Shop, apigw: Apigw, style: str, same: int, different: int, failed: int) -> None:
    words = ("--exit-style", style)
    assert apigw("diff", "shop.yaml", "./shop.yaml", *words).code == same
    assert apigw("diff", "qa", "prod", *words).code == different
    assert apigw("diff", "shop.yaml", "nope.yaml", *words).code == failed
    usage = 2 if style == "house" else failed
    for wrong in (("qa",), ("qa", "nowhere"), ("qa", "prod", "--bogus"), ("qa", "prod", "--format", "pdf")):
        refused = apigw("diff", *wrong, *words)
        assert (refused.code, refused.out, bool(refused.err)) == (usage, "", True), wrong


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "diff compares two things"),
        (("qa", "prod", "-o", "x"), 2, "choose one with --format"),
        (("qa", "prod", "--format", "html", "-o", "none/x"), 1, "cannot write none/x"),
        (("qa", "prod", "--exit-style", "diff", "--fail-on", "warn"), 2, "no exit code of its own"),
        (("qa", "prod", "--fail-on", "everything"), 2, "everything"),
    ],
)
def test_bad_usage(shop: Shop, apigw: Apigw, words: tuple[str, ...], code: int, message: str) -> None:
    failed = apigw("diff", *words)
    assert (failed.code, message in failed.err, failed.out) == (code, True, ""), failed


def test_state_that_somebody_broke_is_said_and_shown_nowhere(changed: Shop, apigw: Apigw) -> None:
    store = changed.root / ".apigw"
    release = next(store.glob(f"releases/{changed.pointers['prod']['release']}.json"))
    whole = release.read_text()
    release.write_text(whole.replace("5/s", "6/s"))
    failed = apigw("diff", "qa", "prod", "--format", "json")
    assert (failed.code, failed.out) == (1, "") and release.name[:7] in failed.err
    release.unlink()
    assert apigw("diff", "qa", "prod").code == 1
    release.write_text(whole)
    pointers = store / "stages.json"
    for text in ("{", "[]", '{"stages": 1}', ""):
        pointers.write_text(text)
        broken = apigw("diff", "qa", "prod")
        assert (broken.code, "stages.json" in broken.err, broken.out) == (1, True, ""), text


def test_a_stage_file_that_is_broken(changed: Shop, apigw: Apigw) -> None:
    Path("stages/prod.yaml").write_text("variables: [")
    failed = apigw("diff", "qa", "prod")
    assert (failed.code, "stages/prod.yaml:1:" in failed.err) == (1, True)
    assert failed.out == ""
