"""`deploy` and `promote` as a person uses them: plans, gates, exit codes, and what stands on disk afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apigw_cli.errors import StaleError
from apigw_cli.stages import planning, promotion
from apigw_cli.stages.planning import PromoteOptions
from tests.stages.conftest import Apigw, Shop


def weaken(shop: Shop) -> None:
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")


def fingerprints(apigw: Apigw, *stages: str) -> list[str]:
    findings = apigw("diff", *stages, "--format", "json").json["findings"]
    return [f["fingerprint"] for f in findings if f["level"] in ("ERR", "weaken")]


class TestDeploy:
    def test_makes_a_release_and_points_the_stage_at_it(self, shop: Shop, apigw: Apigw) -> None:
        done = apigw("deploy", "qa")
        digest = shop.pointers["qa"]["release"]
        assert done.code == 0
        assert f"qa runs {digest[:7]}" in done.out
        assert (shop.root / ".apigw" / "releases" / f"{digest}.json").is_file()
        assert shop.pointers["qa"]["stage_file"] == {"variables": {"pets_url": "http://127.0.0.1:9001"}}
        assert [(line["action"], line["stage"], line["verdict"]) for line in shop.audit] == [
            ("deploy", "qa", "applied")
        ]

    def test_the_same_files_again_change_nothing(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        before = (shop.root / ".apigw" / "stages.json").read_bytes(), shop.audit
        again = apigw("deploy", "qa")
        assert (again.code, "nothing changed" in again.out) == (0, True)
        assert ((shop.root / ".apigw" / "stages.json").read_bytes(), shop.audit) == before

    def test_a_changed_stage_file_alone_is_a_deployment(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        shop.edit("stages/qa.yaml", "9001", "9003")
        done = apigw("deploy", "qa")
        assert "upstream pets" in done.out
        assert shop.pointers["qa"]["stage_file"]["variables"]["pets_url"] == "http://127.0.0.1:9003"
        assert len({line["to"] for line in shop.audit}) == 1

    def test_files_that_do_not_compile_change_nothing(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        before = shop.pointers
        shop.edit("apigw.yaml", "rate: 5/s", "rate: fast")
        failed = apigw("deploy", "qa")
        assert (failed.code, "apigw.yaml:11:" in failed.err) == (1, True)
        assert shop.pointers == before

    def test_an_unknown_stage(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("deploy", "prdo")
        assert (failed.code, 'did you mean "prod"' in failed.err) == (2, True)

    def test_past_the_gates_of_a_promotion_only_with_yes(self, shop: Shop, apigw: Apigw) -> None:
        refused = apigw("deploy", "prod")
        assert (refused.code, "--yes" in refused.err, shop.pointers) == (2, True, {})
        planned = apigw("deploy", "prod", "--format", "json")
        assert (planned.code, planned.json["outcome"], "prod" in shop.pointers) == (2, "planned", False)
        done = apigw("deploy", "prod", "--yes", "--format", "json")
        assert (done.code, done.json["outcome"], done.json["release"]) == (
            0,
            "applied",
            shop.pointers["prod"]["release"],
        )
        assert apigw("deploy", "prod", "--format", "json").json["outcome"] == "identical"

    def test_the_origin_says_who_when_and_where_values_stood(self, shop: Shop, apigw: Apigw) -> None:
        import json

        apigw("deploy", "qa")
        (path,) = (shop.root / ".apigw" / "releases").glob("*.origin.json")
        origin = json.loads(path.read_text())
        assert origin["who"] and origin["time"].endswith("Z")
        assert origin["places"]["shop:createPet policies.rate_limit"].startswith("apigw.yaml:11:")


class TestPromote:
    def test_the_sample_as_it_stands(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apigw: Apigw) -> None:
        shutil.copytree(
            Path(__file__).parents[2] / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns(".apigw")
        )
        monkeypatch.chdir(tmp_path)
        done = apigw("promote", "qa", "prod", "--yes")
        assert (done.code, "prod has no release yet" in done.out) == (0, True)
        assert apigw("diff", "qa", "prod", "--exit-code").code == 0

    def test_a_first_stage_without_release_gets_the_working_files(self, shop: Shop, apigw: Apigw) -> None:
        done = apigw("promote", "qa", "prod", "--yes")
        assert done.code == 0
        assert "qa runs" in done.out and "prod runs" in done.out
        assert shop.pointers["qa"]["release"] == shop.pointers["prod"]["release"]
        assert shop.pointers["prod"]["stage_file"]["variables"] == {"pets_url": "http://127.0.0.1:9002"}
        assert [(line["action"], line["stage"]) for line in shop.audit] == [("deploy", "qa"), ("promote", "prod")]

    def test_another_stage_without_release_is_an_error(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("promote", "staging", "prod", "--yes")
        assert (failed.code, "apigw promote qa staging" in failed.err) == (1, True)

    def test_without_a_terminal_somebody_has_to_say_yes(self, shop: Shop, apigw: Apigw) -> None:
        refused = apigw("promote", "qa", "prod")
        assert (refused.code, "apigw promote qa prod --yes" in refused.err) == (2, True)
        assert "gates" in refused.out
        assert (shop.pointers, shop.audit) == ({}, [])

    def test_dry_run_changes_and_logs_nothing(self, shop: Shop, apigw: Apigw) -> None:
        assert apigw("promote", "qa", "prod", "--dry-run", "--yes").code == 0
        assert not (shop.root / ".apigw").exists()
        apigw("promote", "qa", "prod", "--yes")
        weaken(shop)
        apigw("deploy", "qa")
        before = shop.audit
        assert apigw("promote", "qa", "prod", "--dry-run").code == 4
        assert shop.audit == before

    def test_the_identical_says_so(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        again = apigw("promote", "qa", "prod", "--yes")
        assert (again.code, "already runs" in again.out, len(shop.audit)) == (0, True, 2)

    def test_working_files_that_were_not_deployed_are_pointed_out(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        weaken(shop)
        assert "apigw deploy qa" in apigw("promote", "qa", "prod", "--yes").out

    def test_a_weakening_stops_it_and_the_attempt_is_logged(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        before = shop.pointers["prod"]
        weaken(shop)
        apigw("deploy", "qa")
        blocked = apigw("promote", "qa", "prod", "--yes")
        (fingerprint,) = fingerprints(apigw, "qa", "prod")
        assert blocked.code == 4
        assert blocked.out.startswith("✗ blocked: 1 weakening\n")
        assert "createPet" in blocked.out and "limit 5/s burst 5 per api_key → 50/s" in blocked.out
        assert "apigw.yaml:11:" in blocked.out
        assert f"--accept {fingerprint}" in blocked.out
        assert shop.pointers["prod"] == before
        assert (shop.audit[-1]["verdict"], shop.audit[-1]["blocked_by"]) == ("blocked", [fingerprint])

    def test_a_breaking_change_stops_it(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("shop.yaml", "maximum: 100", "maximum: 50")
        apigw("deploy", "qa")
        blocked = apigw("promote", "qa", "prod", "--yes")
        assert blocked.code == 4
        assert 'GET /pets  query parameter "limit" maximum 100 → 50' in blocked.out
        assert "shop.yaml:10:" in blocked.out
        assert "✗ no breaking change  ✓ no weakening" in blocked.out

    def test_accepted_with_a_reason(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        weaken(shop)
        shop.edit("shop.yaml", "maximum: 100", "maximum: 50")
        apigw("deploy", "qa")
        one, other = fingerprints(apigw, "qa", "prod")
        half = apigw("promote", "qa", "prod", "--yes", "--accept", one, "--reason", "agreed")
        assert half.code == 4
        words = ("--accept", one[:6], "--reason", "agreed", "--accept", other, "--reason", "told them")
        done = apigw("promote", "qa", "prod", "--yes", *words)
        assert done.code == 0
        assert [(entry["fingerprint"], entry["reason"]) for entry in shop.audit[-1]["accepted"]] == [
            (one, "agreed"),
            (other, "told them"),
        ]

    def test_an_approval_is_for_what_was_approved(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        weaken(shop)
        apigw("deploy", "qa")
        (approved,) = fingerprints(apigw, "qa", "prod")
        shop.edit("apigw.yaml", "rate: 50/s, burst: 5", "rate: 500/s, burst: 5")
        apigw("deploy", "qa")
        failed = apigw("promote", "qa", "prod", "--yes", "--accept", approved, "--reason", "agreed")
        assert (failed.code, "no finding that needs accepting" in failed.err) == (2, True)

    def test_one_change_of_many_routes_is_accepted_as_one(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("apigw.yaml", "rate: 50/s", "rate: 60/s")
        apigw("deploy", "qa")
        found = apigw("diff", "qa", "prod", "--format", "json").json["findings"]
        (group,) = {finding["group"] for finding in found}
        assert len(found) == 2 and group not in {finding["fingerprint"] for finding in found}
        assert f"--accept {group} --reason" in apigw("promote", "qa", "prod", "--yes").out
        words = ("promote", "qa", "prod", "--yes", "--reason", "agreed")
        assert apigw(*words, "--accept", found[0]["fingerprint"]).code == 4
        hours = "    routes:\n      hours: {rate_limit: {rate: 50/s, burst: 20, key: api_key}}\n"
        shop.edit("apigw.yaml", "    routes:\n", hours)
        apigw("deploy", "qa")
        assert apigw(*words, "--accept", group).code == 2, "it reaches other routes now: to be approved again"
        shop.edit("apigw.yaml", hours, "    routes:\n")
        apigw("deploy", "qa")
        assert apigw(*words, "--accept", group).code == 0
        assert {entry["operation"] for entry in shop.audit[-1]["accepted"]} == {"listPets", "hours"}

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--accept", "abcdef"), "--accept needs a reason"),
            (("--accept", "abc", "--reason", "x"), "too short"),
            (("--accept", "abcdef", "--reason", "x"), "no finding that needs accepting"),
            (("--accept", "abcdef", "--reason", "x", "--reason", "y"), "1 findings accepted, 2 reasons"),
        ],
    )
    def test_accepting_what_cannot_be(self, shop: Shop, apigw: Apigw, words: tuple[str, ...], message: str) -> None:
        failed = apigw("promote", "qa", "prod", "--yes", *words)
        assert (failed.code, message in failed.err, shop.pointers) == (2, True, {})

    def test_only_declared_promotions(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        failed = apigw("promote", "prod", "qa", "--yes")
        assert failed.code == 2
        assert "qa to staging, qa to prod, staging to prod" in failed.err
        assert apigw("promote", "prod", "qa", "--yes", "--force").code == 2
        shop.edit("stages/prod.yaml", "9002", "9005")
        apigw("deploy", "prod", "--yes")
        done = apigw("promote", "prod", "qa", "--yes", "--force", "--reason", "restore qa")
        assert done.code == 0

    def test_a_forced_promotion_is_logged_as_such(self, shop: Shop, apigw: Apigw) -> None:
        shop.edit("apigw.yaml", "staging: [prod]", "staging: []")
        apigw("promote", "qa", "staging", "--yes")
        done = apigw("promote", "staging", "prod", "--yes", "--force", "--reason", "the fair")
        assert done.code == 0
        assert (shop.audit[-1]["forced"], shop.audit[-1]["reason"]) == (True, "the fair")

    def test_force_does_not_pass_the_gates_by(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        weaken(shop)
        apigw("deploy", "qa")
        assert apigw("promote", "qa", "prod", "--yes", "--force", "--reason", "now").code == 4

    def test_a_target_that_would_not_compile_stops_it(self, shop: Shop, apigw: Apigw) -> None:
        shop.edit("stages/prod.yaml", "pets_url", "pet_url")
        failed = apigw("promote", "qa", "prod", "--yes")
        assert (failed.code, "${pets_url} is not defined" in failed.err, shop.pointers) == (1, True, {})

    def test_a_source_that_would_not_compile_stops_its_first_release(self, shop: Shop, apigw: Apigw) -> None:
        shop.edit("stages/qa.yaml", "pets_url", "pet_url")
        assert (apigw("promote", "qa", "prod", "--yes").code, shop.pointers) == (1, {})

    def test_the_target_keeps_its_own_stage_file(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        compared = apigw("diff", "qa", "prod", "--format", "json").json
        assert compared["findings"] == []
        (difference,) = compared["stage_differences"]
        assert (difference["path"], difference["expected"]) == ("variables.pets_url", True)

    def test_an_edited_stage_file_of_the_target_is_part_of_the_plan(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("stages/prod.yaml", "127.0.0.1:9002", "10.0.0.9:80")
        blocked = apigw("promote", "qa", "prod", "--yes")
        assert (blocked.code, "http://127.0.0.1:9002 → http://10.0.0.9:80" in blocked.out) == (4, True)

    def test_a_specification_named_by_a_variable(self, shop: Shop, apigw: Apigw) -> None:
        """The release holds the file of every stage, whichever stage it was made for."""
        (shop.root / "next.yaml").write_text(
            (shop.root / "shop.yaml").read_text().replace("maximum: 100", "maximum: 9")
        )
        shop.edit("apigw.yaml", "spec: shop.yaml", 'spec: "${spec}"')
        for stage in ("qa", "staging", "prod"):
            name = "next.yaml" if stage == "prod" else "shop.yaml"
            shop.edit(f"stages/{stage}.yaml", "variables: {", f"variables: {{spec: {name}, ")
        assert apigw("promote", "qa", "prod", "--yes").code == 0
        apigw("deploy", "staging", "--yes")
        assert len({pointer["release"] for pointer in shop.pointers.values()}) == 1
        (shop.root / "next.yaml").unlink()
        assert apigw("rollback", "prod", "--yes").code == 1  # nothing ran before; what runs now still compiles

    def test_json(self, shop: Shop, apigw: Apigw) -> None:
        planned = apigw("promote", "qa", "prod", "--format", "json", "--dry-run")
        assert (planned.code, planned.json["outcome"], shop.pointers) == (0, "planned", {})
        assert (apigw("promote", "qa", "prod", "--format", "json").code, shop.pointers) == (2, {})
        applied = apigw("promote", "qa", "prod", "--format", "json", "--yes")
        assert (applied.code, applied.json["outcome"]) == (0, "applied")
        assert [gate["holds"] for gate in applied.json["gates"]] == [True, True, True]
        assert apigw("promote", "qa", "prod", "--format", "json", "--yes").json["outcome"] == "identical"
        weaken(shop)
        apigw("deploy", "qa")
        blocked = apigw("promote", "qa", "prod", "--format", "json", "--yes")
        assert (blocked.code, blocked.json["outcome"]) == (4, "blocked")
        assert blocked.json["diff"]["counts"]["weakening"] == 1


class TestStale:
    def test_a_plan_is_refused_when_the_target_moved(self, shop: Shop, apigw: Apigw) -> None:
        plan = planning.plan(PromoteOptions("qa", "prod"))
        apigw("deploy", "prod", "--yes")
        before = shop.pointers
        with pytest.raises(StaleError, match='"prod" was moved by'):
            promotion.apply(plan)
        assert shop.pointers == before

    def test_a_plan_is_refused_when_the_source_moved(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        plan = planning.plan(PromoteOptions("qa", "prod"))
        weaken(shop)
        apigw("deploy", "qa")
        with pytest.raises(StaleError, match='"qa" was moved by'):
            promotion.apply(plan)
        assert "prod" not in shop.pointers

    def test_what_happens_to_other_stages_does_not_matter(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        plan = planning.plan(PromoteOptions("qa", "prod"))
        apigw("promote", "qa", "staging", "--yes")
        promotion.apply(plan)
        assert shop.pointers["prod"]["release"] == shop.pointers["qa"]["release"]

    def test_what_was_shown_is_what_is_applied(self, shop: Shop) -> None:
        """The files change between plan and apply: the plan holds what it was made of."""
        plan = planning.plan(PromoteOptions("qa", "prod"))
        weaken(shop)
        shop.edit("stages/prod.yaml", "9002", "9009")
        promotion.apply(plan)
        assert shop.pointers["prod"]["release"] == plan.revision.digest
        assert shop.pointers["prod"]["stage_file"]["variables"] == {"pets_url": "http://127.0.0.1:9002"}
