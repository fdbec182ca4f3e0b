"""`apigw diff`: what its words mean, what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.stages.conftest import Apigw, Shop

OLD = """\
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /a:
    get:
      parameters:
        - {name: q, in: query, schema: {$ref: "parts.yaml#/Q"}}
      responses: {"200": {description: ok}}
"""
PARTS = "Q: {type: integer, maximum: 9}\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "parts.yaml").write_text(PARTS)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "new.yaml").write_text(OLD)
    (tmp_path / "new" / "parts.yaml").write_text(PARTS.replace("9", "5"))
    return tmp_path


class TestFiles:
    def test_from_a_to_b(self, files: Path, apigw: Apigw) -> None:
        done = apigw("diff", "old.yaml", "new/new.yaml")
        assert done.code == 0
        assert done.err == ""
        verdict, sides, _, finding = done.out.splitlines()
        assert verdict == "✗ 1 breaking"
        assert sides == "  old.yaml → new/new.yaml"
        assert finding.startswith('  ✗ breaks  GET /a  query parameter "q" maximum 9 → 5  new/parts.yaml:1:')

    def test_the_other_way_round_it_is_safe(self, files: Path, apigw: Apigw) -> None:
        assert apigw("diff", "new/new.yaml", "old.yaml").out.startswith("✓ 1 safe change\n")

    def test_a_file_against_itself(self, files: Path, apigw: Apigw) -> None:
        done = apigw("diff", "old.yaml", "old.yaml", "--exit-code", "--fail-on", "warn")
        assert (done.code, done.out.splitlines()[0]) == (
            0,
            "✓ no difference that a client or the gateway's protection would notice",
        )

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            ((), 0),
            (("--exit-code",), 3),
            (("--fail-on", "breaking"), 4),
            (("--fail-on", "weakening"), 0),
            (("--fail-on", "warn"), 4),
            (("--fail-on", "weakening", "--fail-on", "breaking"), 4),
            (("--fail-on", "weakening", "--exit-code"), 3),
            (("--fail-on", "breaking", "--exit-code"), 4),
        ],
    )
    def test_exit_codes(self, files: Path, apigw: Apigw, words: tuple[str, ...], code: int) -> None:
        assert apigw("diff", "old.yaml", "new/new.yaml", *words).code == code
        assert apigw("diff", "old.yaml", "new/new.yaml", *words, "--format", "json").code == code

    def test_json(self, files: Path, apigw: Apigw) -> None:
        report = apigw("diff", "old.yaml", "new/new.yaml", "--format", "json").json
        assert report["version"] == 1
        assert report["verdict"] == "blocking"
        assert report["counts"] == {"breaking": 1, "weakening": 0, "warnings": 0, "strengthening": 0, "safe": 0}
        (finding,) = report["findings"]
        assert set(finding) == {
            *("id", "axis", "level", "api", "operation", "path", "message", "why", "old", "new", "locations"),
            *("fingerprint", "group", "fix", "presence", "reaches", "secret"),
        }
        assert finding["id"] == "request-parameter-max-decreased"
        assert [location["side"] for location in finding["locations"]] == ["base", "revision"]
        assert finding["locations"][1] == {
            "side": "revision",
            "file": str(Path("new") / "parts.yaml"),
            "line": 1,
            "column": 20,
            "pointer": "/Q/maximum",
        }

    def test_markdown(self, files: Path, apigw: Apigw) -> None:
        text = apigw("diff", "old.yaml", "new/new.yaml", "--format", "markdown").out
        assert text.startswith("### ❌ 1 breaking\n")
        assert '| ❌ breaks | `GET /a` | query parameter "q" maximum 9 → 5 |' in text

    def test_quiet_and_verbose(self, files: Path, apigw: Apigw) -> None:
        assert apigw("diff", "old.yaml", "new/new.yaml", "-q").out == "✗ 1 breaking\n"
        assert (
            "request-parameter-max-decreased: a number allowed before"
            in apigw("diff", "old.yaml", "new/new.yaml", "-v").out
        )

    def test_ascii(self, files: Path) -> None:
        import sys

        done = subprocess.run(
            [sys.executable, "-m", "apigw_cli.cli.app", "diff", "old.yaml", "new/new.yaml"],
            cwd=files,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert b"x 1 breaking" in done.stdout and b"maximum 9 -> 5" in done.stdout

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("none.yaml", None, "no such file"),
            ("bad.yaml", "a: [", "bad.yaml:"),
            ("other.yaml", "a: 1", "not an OpenAPI document"),
            ("list.yaml", "[1]", "not an OpenAPI document"),
            ("empty.yaml", "", "not an OpenAPI document"),
            ("config.yaml", "version: 1\napis: {}\n", "a configuration, not a specification"),
            ("loop.yaml", OLD.replace("parts.yaml#/Q", "#/x") + 'x: {$ref: "#/x"}\n', "circle"),
            ("nowhere.yaml", OLD.replace("/Q", "/X"), "leads to nowhere"),
        ],
    )
    def test_bad_input(self, files: Path, apigw: Apigw, name: str, text: str | None, message: str) -> None:
        if text is not None:
            (files / name).write_text(text)
        failed = apigw("diff", "old.yaml", name)
        assert (failed.code, message in failed.err) == (1, True), failed


class TestGit:
    @pytest.fixture
    def repository(self, files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            monkeypatch.delenv(name, raising=False)
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run([*git, *words], cwd=files, check=True, timeout=30)
        return files

    def test_a_revision_and_what_it_refers_to(self, repository: Path, apigw: Apigw) -> None:
        (repository / "parts.yaml").write_text(PARTS.replace("9", "3"))
        done = apigw("diff", "git:HEAD:old.yaml", "old.yaml", "--exit-code")
        assert (done.code, "maximum 9 → 3" in done.out) == (3, True)
        assert apigw("diff", "git:HEAD:old.yaml", "git:HEAD:old.yaml", "--exit-code").code == 0

    def test_places_name_the_revision(self, repository: Path, apigw: Apigw) -> None:
        report = apigw("diff", "old.yaml", "git:HEAD:new/new.yaml", "--format", "json").json
        assert report["findings"][0]["locations"][1]["file"] == "git:HEAD:new/parts.yaml"

    def test_relative_to_here(self, repository: Path, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(repository / "new")
        assert apigw("diff", "git:HEAD:./new.yaml", "new.yaml", "--exit-code").code == 0
        assert apigw("diff", "git:HEAD:old.yaml", "new.yaml", "--exit-code").code == 3

    @pytest.mark.parametrize(
        ("word", "code"), [("git:nope:old.yaml", 1), ("git:HEAD:nope.yaml", 1), ("git:HEAD", 2), ("git:--help:x", 2)]
    )
    def test_what_git_does_not_have(self, repository: Path, apigw: Apigw, word: str, code: int) -> None:
        failed = apigw("diff", word, "old.yaml")
        assert (failed.code, "error" in failed.err) == (code, True)

    def test_the_commit_stands_beside_a_release(
        self, shop: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run([*git, *words], cwd=shop.root, check=True, timeout=30)
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=shop.root, capture_output=True, text=True, check=True)
        apigw("deploy", "qa")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 6/s")
        apigw("deploy", "qa")
        origins = [
            json.loads((shop.root / ".apigw" / "releases" / f"{line['to']}.origin.json").read_text())["git"]
            for line in shop.audit
        ]
        assert origins == [{"commit": head.stdout.strip(), "dirty": dirty} for dirty in (False, True)]


class TestStages:
    def test_the_default_stage_stands_for_the_working_files(self, shop: Shop, apigw: Apigw) -> None:
        done = apigw("diff", "qa", "prod")
        assert done.code == 0
        assert "prod has no release yet → " in done.out and "from qa (3 routes)" in done.out
        assert "qa has no release yet: it stands for the working files" in done.out
        assert done.out.rstrip().endswith("next  apigw promote qa prod")
        assert not (shop.root / ".apigw").exists()

    def test_another_stage_without_release_is_nothing(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("diff", "staging", "prod")
        assert (failed.code, "staging has no release yet" in failed.err) == (1, True)

    def test_base_is_the_target_as_it_is(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("shop.yaml", "        tag: {type: string}\n", "")
        apigw("deploy", "qa")
        report = apigw("diff", "qa", "prod", "--format", "json").json
        (finding,) = report["findings"]
        assert finding["message"] == 'response 200 property "tag" removed'
        assert report["base"]["release"] == shop.pointers["prod"]["release"]
        assert report["revision"]["release"] == shop.pointers["qa"]["release"]

    def test_what_only_the_stage_files_differ_in_is_apart(self, shop: Shop, apigw: Apigw) -> None:
        shop.edit("stages/prod.yaml", "pets_url:", "other: 1, pets_url:")
        apigw("promote", "qa", "prod", "--yes")
        done = apigw("diff", "qa", "prod", "--exit-code")
        assert done.code == 0
        assert (
            "· expected  variables.pets_url: http://127.0.0.1:9001 → http://127.0.0.1:9002  stages/prod.yaml:1:"
            in done.out
        )
        assert "! stage difference  variables.other: not set → 1  stages/prod.yaml:1:" in done.out

    def test_from_the_folder_above(self, shop: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(shop.root.parent)
        apigw("promote", "qa", "prod", "--yes", "-c", "shop")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
        apigw("deploy", "qa", "-c", "shop/apigw.yaml")
        assert "shop/apigw.yaml:11:" in apigw("diff", "qa", "prod", "-c", "shop").out

    def test_releases(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        first = shop.pointers["qa"]["release"]
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
        apigw("deploy", "qa")
        second = shop.pointers["qa"]["release"]
        done = apigw("diff", f"release:{first[:7]}", f"release:{second[:7]}", "--fail-on", "weakening")
        assert (done.code, "limit 5/s" in done.out) == (4, True)
        assert f"release {first[:7]} (3 routes) → release {second[:7]} (3 routes)" in done.out
        back = apigw("diff", "stage:qa", f"release:{first[:7]}", "--fail-on", "weakening", "--exit-code")
        assert (back.code, "limit 50/s" in back.out) == (3, True)

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (("prdo", "qa"), 2, 'did you mean "prod"'),
            (("stage:x", "qa"), 2, 'there is no stage "x"'),
            (("release:abcd", "release:abcd"), 2, 'no release begins with "abcd"'),
            (("release:xyz", "qa"), 2, "does not name a release"),
            (("qa", "shop.yaml"), 2, "cannot be compared"),
            (("qa", "prod", "-c", "nope.yaml"), 1, "no such file: nope.yaml"),
        ],
    )
    def test_words_that_name_nothing(
        self, shop: Shop, apigw: Apigw, words: tuple[str, ...], code: int, message: str
    ) -> None:
        failed = apigw("diff", *words)
        assert (failed.code, message in failed.err) == (code, True), failed

    def test_a_stage_goes_before_a_file_of_that_name(self, shop: Shop, apigw: Apigw) -> None:
        (shop.root / "prod").write_text("openapi: 3.1.0\n")
        assert "prod has no release yet" in apigw("diff", "qa", "prod").out

    def test_two_files_need_no_sound_project(self, shop: Shop, apigw: Apigw) -> None:
        (shop.root / "apigw.yaml").write_text("a: [")
        assert apigw("diff", "shop.yaml", "./shop.yaml").code == 0

    def test_the_same_change_of_many_routes_is_one_line(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("apigw.yaml", "rate: 50/s", "rate: 60/s")
        apigw("deploy", "qa")
        done = apigw("diff", "qa", "prod")
        assert done.out.startswith("✗ 2 weakening\n")
        assert "listPets (+1 more)" in done.out
        verbose = apigw("diff", "qa", "prod", "-v").out
        assert verbose.count("also hours  ") == 1

    def test_an_edit_of_comments_makes_the_same_release(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        before = shop.pointers
        shop.edit("apigw.yaml", "version: 1", "# a comment\nversion:   1")
        assert "nothing changed" in apigw("deploy", "qa").out
        assert shop.pointers == before


class TestLevels:
    @pytest.fixture
    def tagged(self, shop: Shop, apigw: Apigw) -> Shop:
        """A release in prod, and one in qa with another tag at an operation."""
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("shop.yaml", "operationId: createPet", "operationId: createPet\n      tags: [pets]")
        apigw("deploy", "qa")
        return shop

    def test_of_a_stage(self, tagged: Shop, apigw: Apigw) -> None:
        assert apigw("diff", "qa", "prod", "--fail-on", "breaking").code == 0
        with (tagged.root / "stages" / "prod.yaml").open("a") as file:
            file.write("contract: {levels: {api-tag-added: err}}\n")
        done = apigw("diff", "qa", "prod", "--fail-on", "breaking")
        assert (done.code, "tag pets added" in done.out) == (4, True)
        assert apigw("promote", "qa", "prod", "--yes").code == 4

    def test_of_a_file_go_before(self, tagged: Shop, apigw: Apigw) -> None:
        (tagged.root / "levels.txt").write_text("api-tag-added none\n")
        assert apigw("diff", "qa", "prod", "--levels", "levels.txt", "--exit-code").code == 0

    def test_of_a_rule_that_is_none(self, tagged: Shop, apigw: Apigw) -> None:
        with (tagged.root / "stages" / "prod.yaml").open("a") as file:
            file.write("contract:\n  levels:\n    api-tag-addd: err\n")
        failed = apigw("diff", "qa", "prod")
        assert (failed.code, 'did you mean "api-tag-added"' in failed.err) == (1, True)
        assert "stages/prod.yaml:" in failed.err

    def test_rules_are_listed(self, apigw: Apigw) -> None:
        assert "endpoint-added" in apigw("diff", "--rules", "text").out


class TestInputs:
    def test_stdin(self, shop: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        text = (shop.root / "shop.yaml").read_text()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert apigw("diff", "shop.yaml", "-", "--exit-code").code == 0

    def test_stdin_on_both_sides(self, apigw: Apigw) -> None:
        failed = apigw("diff", "-", "-")
        assert (failed.code, "one side only" in failed.err) == (2, True)

    def test_texts_are_told_apart(self, shop: Shop, apigw: Apigw) -> None:
        text = (shop.root / "shop.yaml").read_text()
        (shop.root / "other.yaml").write_text(text.replace("description: ok", "description: fine"))
        done = apigw("diff", "shop.yaml", "other.yaml", "--exit-code")
        assert (done.code, "2 texts for people" in done.out) == (0, True)
