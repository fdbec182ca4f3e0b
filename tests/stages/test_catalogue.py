"""`apigw releases`, `apigw verify`, `apigw gc`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apigw_cli.errors import StaleError
from apigw_cli.stages import catalogue
from tests.stages.conftest import Apigw, Shop


def deployed(shop: Shop, apigw: Apigw, *rates: int) -> list[str]:
    """Releases of qa, one for each rate; the first one goes on to prod."""
    made = []
    for rate in rates:
        text = (shop.root / "apigw.yaml").read_text()
        at = text.index("createPet:")
        rule = text[at:].split("rate: ")[1].split("/s")[0]
        (shop.root / "apigw.yaml").write_text(text[:at] + text[at:].replace(f"rate: {rule}/s", f"rate: {rate}/s", 1))
        assert apigw("deploy", "qa").code == 0
        made.append(str(shop.pointers["qa"]["release"]))
        if len(made) == 1:
            assert apigw("promote", "qa", "prod", "--yes").code == 0
    return made


def file_of(shop: Shop, digest: str) -> Path:
    return shop.root / ".apigw" / "releases" / f"{digest}.json"


class TestReleases:
    def test_what_runs_them_and_where_they_came_from(self, shop: Shop, apigw: Apigw) -> None:
        first, second = deployed(shop, apigw, 5, 4)
        listed = apigw("releases", "--format", "json").json["releases"]
        assert {one["release"]: one["stages"] for one in listed} == {first: ["prod"], second: ["qa"]}
        assert all(one["who"] and one["time"].endswith("Z") and one["bytes"] > 100 for one in listed)
        text = apigw("releases").out
        assert f"✓ {first[:7]}" in text and text.count("no git") == 2

    def test_none(self, shop: Shop, apigw: Apigw) -> None:
        assert "there are no releases yet" in apigw("releases").out


class TestVerify:
    def test_all_is_well(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5, 4)
        done = apigw("verify")
        assert (done.code, "2 releases, 2 stages, 3 lines" in done.out) == (0, True), done.out
        assert apigw("verify", "--format", "json").json["holds"] is True

    def test_needs_no_configuration_that_can_be_read(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5)
        (shop.root / "apigw.yaml").write_text("a: [")
        assert apigw("verify").code == 0

    def test_a_line_that_was_edited_is_located(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5, 4)
        path = shop.root / ".apigw" / "audit.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], lines[1].replace('"qa"', '"qb"'), lines[2]]) + "\n")
        found = apigw("verify")
        assert (found.code, ".apigw/audit.jsonl:3  does not follow" in found.out) == (4, True), found.out

    def test_a_release_that_was_edited_or_lost(self, shop: Shop, apigw: Apigw) -> None:
        first, second = deployed(shop, apigw, 5, 4)
        path = file_of(shop, first)
        path.write_bytes(path.read_bytes() + b" ")
        file_of(shop, second).unlink()
        found = apigw("verify", "--format", "json")
        messages = " ".join(one["message"] for one in found.json["problems"])
        assert found.code == 4
        assert f"release {first[:7]} was changed" in messages
        assert f"qa points at {second[:7]}, which is missing" in messages

    def test_a_pointer_that_was_moved_by_hand(self, shop: Shop, apigw: Apigw) -> None:
        first, second = deployed(shop, apigw, 5, 4)
        path = shop.root / ".apigw" / "stages.json"
        state = json.loads(path.read_text())
        state["stages"]["prod"]["release"] = second
        path.write_text(json.dumps(state))
        found = apigw("verify")
        said = f"prod points at {second[:7]}, but the log moved it to {first[:7]} last"
        assert (found.code, said in found.out) == (4, True), found.out

    def test_a_line_that_is_no_entry_is_located_and_all_else_is_looked_at(self, shop: Shop, apigw: Apigw) -> None:
        first, _ = deployed(shop, apigw, 5, 4)
        file_of(shop, first).unlink()
        path = shop.root / ".apigw" / "audit.jsonl"
        lines = path.read_text().splitlines()
        path.write_text("\n".join([lines[0], "no JSON", lines[2]]) + "\n")
        found = apigw("verify", "--format", "json")
        said = {(one["place"], one["message"].partition(":")[0]) for one in found.json["problems"]}
        assert (found.code, said) == (
            4,
            {
                (".apigw/audit.jsonl:2", "not a line of the audit log"),
                (".apigw/stages.json", f"prod points at {first[:7]}, which is missing"),
            },
        )

    def test_what_cannot_be_read_at_all(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5)
        (shop.root / ".apigw" / "stages.json").write_text("{")
        failed = apigw("verify")
        assert (failed.code, ".apigw/stages.json:1:1" in failed.err) == (1, True)


class TestGc:
    def test_leaves_what_is_pointed_at_and_the_last_ones(self, shop: Shop, apigw: Apigw) -> None:
        releases = deployed(shop, apigw, 5, 4, 3, 2, 1)
        before = apigw("gc", "--keep", "2", "--dry-run")
        assert "would remove 2 releases" in before.out
        assert all(file_of(shop, digest).exists() for digest in releases)
        assert apigw("gc", "--keep", "2").code == 0
        left = [digest for digest in releases if file_of(shop, digest).exists()]
        assert left == [releases[0], releases[3], releases[4]], "prod runs the first; qa ran the last two"
        assert apigw("verify").code == 0, "what a gc removed is not missing"
        assert shop.audit[-1]["removed"] == sorted(releases[1:3])
        assert apigw("rollback", "qa", "--yes").code == 0
        assert apigw("gc", "--keep", "2").out.startswith("✓ nothing to remove")

    def test_as_json(self, shop: Shop, apigw: Apigw) -> None:
        releases = deployed(shop, apigw, 5, 4, 3)
        gc = ("gc", "--keep", "1", "--format", "json")
        for words, outcome in (((*gc, "--dry-run"), "planned"), (gc, "applied")):
            done = apigw(*words)
            gone = [one["release"] for one in done.json["releases"]]
            assert (done.code, done.json["outcome"], gone, done.json["left"]) == (0, outcome, [releases[1]], 2)
            assert file_of(shop, releases[1]).exists() == (outcome == "planned")
        again = apigw(*gc).json
        assert (again["outcome"], again["releases"], again["bytes"]) == ("identical", [], 0)

    def test_a_rollback_to_what_is_gone_says_so(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5, 4, 3)
        apigw("gc", "--keep", "1")
        failed = apigw("rollback", "qa", "--yes")
        assert (failed.code, "is missing" in failed.err) == (1, True)

    def test_a_canary_is_needed(self, shop: Shop, apigw: Apigw) -> None:
        _, second, _ = deployed(shop, apigw, 5, 4, 3)
        assert apigw("promote", "qa", "prod", "--canary", "5%", "--yes").code == 0
        canary = shop.pointers["prod"]["canary"]["release"]
        apigw("rollback", "qa", "--yes")
        apigw("gc", "--keep", "1")
        assert file_of(shop, canary).exists() and file_of(shop, second).exists()

    def test_what_moved_meanwhile_is_not_removed(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5, 4, 3)
        planned = catalogue.sweep(catalogue.CatalogueOptions(keep=1))
        apigw("rollback", "qa", "--yes")
        with pytest.raises(StaleError):
            catalogue.collect(planned)
        assert apigw("verify").code == 0 and "removed" not in shop.audit[-1]

    def test_a_broken_log_removes_nothing(self, shop: Shop, apigw: Apigw) -> None:
        deployed(shop, apigw, 5, 4, 3)
        path = shop.root / ".apigw" / "audit.jsonl"
        path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
        failed = apigw("gc", "--keep", "1")
        assert (failed.code, "broken at line 1" in failed.err) == (2, True)
        assert len(list((shop.root / ".apigw" / "releases").glob("*.origin.json"))) == 3
