"""Gates as the target's stage file sets them: acceptances that expire, lint, a measurement; and plans in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from apigw_cli.bench.result import Result
from apigw_cli.stages import evidence
from apigw_cli.stages.workspace import Workspace
from tests.stages.conftest import UNLINTED, Apigw, Shop

REASON = "agreed with the pets team"


@pytest.fixture(autouse=True)
def default_gates(shop: Shop) -> None:
    shop.edit("stages/prod.yaml", UNLINTED, "")


def gates(shop: Shop, text: str) -> None:
    with (shop.root / "stages" / "prod.yaml").open("a") as file:
        file.write(text)


def weaken(shop: Shop, apigw: Apigw) -> str:
    """Promote what there is, weaken qa, and return the fingerprint of that."""
    apigw("promote", "qa", "prod", "--yes")
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
    apigw("deploy", "qa")
    (found,) = (f for f in apigw("diff", "qa", "prod", "--format", "json").json["findings"] if f["level"] == "weaken")
    return str(found["fingerprint"])


def judged(apigw: Apigw, *words: str) -> dict[str, bool]:
    found = apigw("promote", "qa", "prod", "--format", "json", "--dry-run", *words).json["gates"]
    return {gate["name"]: gate["holds"] for gate in found}


class TestAcceptances:
    def test_in_the_stage_file_until_a_day(self, shop: Shop, apigw: Apigw) -> None:
        fingerprint = weaken(shop, apigw)
        entry = f'{{fingerprint: {fingerprint}, reason: {REASON}, expires: "2026-03-31"}}'
        gates(shop, f"gates:\n  accept:\n    - {entry}\n")
        with freeze_time("2026-04-01T00:00:01Z"):
            blocked = apigw("promote", "qa", "prod", "--yes")
        assert (blocked.code, f"{fingerprint} was accepted until 2026-03-31" in blocked.out) == (4, True)
        with freeze_time("2026-03-31T23:59:59Z"):
            done = apigw("promote", "qa", "prod", "--yes")
        assert done.code == 0, done.out
        (accepted,) = shop.audit[-1]["accepted"]
        assert (accepted["reason"], accepted["expires"]) == (REASON, "2026-03-31")
        assert accepted["place"].startswith("stages/prod.yaml:5:")

    def test_one_that_accepts_nothing_stands_in_nobodys_way(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, 'gates: {accept: [{fingerprint: abcdefabcdef, reason: x, expires: "2020-01-01"}]}\n')
        done = apigw("promote", "qa", "prod", "--yes")
        assert (done.code, "abcdefabcdef" in done.out) == (0, False)

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ('{fingerprint: abc, reason: x, expires: "2027-01-31"}', "fingerprint"),
            ('{fingerprint: abcdefabcdef, reason: "", expires: "2027-01-31"}', "reason"),
            ('{fingerprint: abcdefabcdef, reason: x, expires: "soon"}', "expires"),
            ("{fingerprint: abcdefabcdef, reason: x}", "expires"),
        ],
    )
    def test_one_that_is_not_well_formed_has_its_place(
        self, shop: Shop, apigw: Apigw, entry: str, message: str
    ) -> None:
        gates(shop, f"gates:\n  accept:\n    - {entry}\n")
        failed = apigw("promote", "qa", "prod", "--yes")
        assert (failed.code, "stages/prod.yaml:5:" in failed.err, message in failed.err) == (1, True, True), failed.err

    @freeze_time("2026-03-01T12:00:00Z")
    def test_on_the_command_line_with_a_day(self, shop: Shop, apigw: Apigw) -> None:
        fingerprint = weaken(shop, apigw)
        words = ("--accept", fingerprint, "--reason", REASON)
        for wrong in ("2026-02-28", "soon", "2026-13-01"):
            assert apigw("promote", "qa", "prod", "--yes", *words, "--expires", wrong).code == 2
        assert apigw("promote", "qa", "prod", "--yes", "--expires", "30d").code == 2
        assert apigw("promote", "qa", "prod", "--yes", *words, "--expires", "30d").code == 0
        assert shop.audit[-1]["accepted"][0]["expires"] == "2026-03-31"
        assert "until 2026-03-31" in apigw("history", "prod").out


class TestConfigured:
    def test_what_is_allowed_stops_nothing_and_is_said(self, shop: Shop, apigw: Apigw) -> None:
        weaken(shop, apigw)
        assert judged(apigw) == {"compiles": True, "no breaking change": True, "no weakening": False, "lint": True}
        gates(shop, "gates: {weakening: allow, lint: off}\n")
        assert judged(apigw) == {"compiles": True, "no breaking change": True}
        done = apigw("promote", "qa", "prod", "--yes")
        assert done.code == 0
        assert "stages/prod.yaml lets weakening changes pass" in done.out
        assert "asks less of a release than when prod was moved last" in done.out

    def test_gates_alone_move_nothing(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        gates(shop, "gates: {breaking: allow}\n")
        again = apigw("promote", "qa", "prod", "--yes")
        assert (again.code, "already runs" in again.out, len(shop.audit)) == (0, True, 2)

    def test_an_unknown_gate(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, "gates: {lnit: off}\n")
        failed = apigw("promote", "qa", "prod", "--yes")
        assert (failed.code, 'did you mean "lint"' in failed.err) == (1, True)


class TestLint:
    def test_an_error_stops_it(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("shop.yaml", '"200": {description: ok, content', '"200": {content')
        blocked = apigw("promote", "qa", "prod", "--yes")
        assert blocked.code == 0, "qa still has what was deployed before"
        apigw("deploy", "qa")
        blocked = apigw("promote", "qa", "prod", "--yes")
        assert (blocked.code, "✗ lint: 1 error: apigw lint" in blocked.out) == (4, True), blocked.out
        assert shop.audit[-1]["blocked_by"] == ["lint"]
        gates(shop, "gates: {lint: off}\n")
        assert apigw("promote", "qa", "prod", "--yes").code == 0

    def test_of_a_release_that_the_files_are_not_any_more(self, shop: Shop, apigw: Apigw) -> None:
        shop.edit("shop.yaml", '"200": {description: ok, content', '"200": {content')
        apigw("deploy", "qa")
        shop.edit("shop.yaml", '"200": {content', '"200": {description: ok, content')
        assert judged(apigw)["lint"] is False, "what deploy found is recorded with it"
        apigw("deploy", "qa")
        assert judged(apigw)["lint"] is True

    def test_warnings_where_they_are_asked_for(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, "gates: {lint: warn}\n")
        assert judged(apigw)["lint"] is False


def result(apigw_stage: str, **changes: Any) -> bytes:
    """What `apigw bench` says of what a stage runs, with what is to be different."""
    served = evidence.target(None, apigw_stage)
    plain: dict[str, Any] = {
        "verdict": {"trustworthy": True},
        "interrupted": False,
        "requests": {"allowed": 10},
        "served": {"stage": apigw_stage, "digest": served.snapshot, "origin": "released"},
        "limits": [{"verdict": "pass"}],
        "assertions": [{"holds": True}],
    }
    return json.dumps(plain | changes).encode()


BENCH = "gates:\n  bench: {younger_than: 2h}\n"


class TestEvidence:
    def held(self, apigw: Apigw) -> tuple[bool, str]:
        found = apigw("promote", "qa", "prod", "--format", "json", "--dry-run").json["gates"]
        (gate,) = (gate for gate in found if gate["name"] == "bench evidence")
        return gate["holds"], gate["why"]

    def test_none(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, BENCH)
        blocked = apigw("promote", "qa", "prod", "--yes")
        assert blocked.code == 4
        assert "next  apigw bench --stage qa --verify-limits --assert 'errors<0.1%' --attach qa" in blocked.out

    def test_holds_while_it_is_young(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, BENCH)
        apigw("deploy", "qa")
        with freeze_time("2026-03-01T12:00:00Z"):
            assert evidence.attach(evidence.target(None, "qa"), result("qa")).holds
        with freeze_time("2026-03-01T13:59:59Z"):
            assert self.held(apigw) == (True, "1 hour ago")
        with freeze_time("2026-03-01T14:00:01Z"):
            assert self.held(apigw)[0] is False
        with freeze_time("2026-03-01T11:59:00Z"):
            assert "still to come" in self.held(apigw)[1]
        with freeze_time("2026-03-01T12:30:00Z"):
            assert apigw("promote", "qa", "prod", "--yes").code == 0

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"limits": [{"verdict": "fail"}]}, "a limit did not hold"),
            ({"requests": {"allowed": 0}}, "no request was let through"),
            ({"limits": [{"verdict": "inconclusive"}]}, "inconclusive"),
            ({"verdict": {"trustworthy": False}}, "inconclusive"),
            ({"assertions": [{"holds": True}, {"holds": False}]}, "an assertion did not hold"),
            ({"limits": []}, "proves no limit"),
            ({"assertions": []}, "asserts nothing"),
        ],
    )
    def test_what_does_not_pass(self, shop: Shop, apigw: Apigw, changes: dict[str, Any], why: str) -> None:
        gates(shop, BENCH)
        apigw("deploy", "qa")
        evidence.attach(evidence.target(None, "qa"), result("qa"))
        assert self.held(apigw)[0]
        evidence.attach(evidence.target(None, "qa"), result("qa", **changes))
        held, said = self.held(apigw)
        assert (held, why in said) == (False, True), "the newest one counts"

    def test_is_for_one_release_with_one_stage_file(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, BENCH)
        apigw("deploy", "qa")
        evidence.attach(evidence.target(None, "qa"), result("qa"))
        shop.edit("stages/qa.yaml", "9001", "9005")
        apigw("deploy", "qa")
        assert self.held(apigw)[0] is False
        shop.edit("stages/qa.yaml", "9005", "9001")
        apigw("deploy", "qa")
        assert self.held(apigw)[0] is True

    def test_of_something_else_is_not_attached(self, shop: Shop, apigw: Apigw) -> None:
        apigw("deploy", "qa")
        before = len(shop.audit)
        other = {"stage": "qa", "digest": "f" * 64, "origin": "working files"}
        for served in (other, None):
            with pytest.raises(evidence.InputError, match="not attached"):
                evidence.attach(evidence.target(None, "qa"), result("qa", served=served))
        with pytest.raises(evidence.InputError, match="not a result"):
            evidence.attach(evidence.target(None, "qa"), b"{}")
        assert len(shop.audit) == before

    def test_that_was_exchanged_counts_no_more(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, BENCH)
        apigw("deploy", "qa")
        evidence.attach(evidence.target(None, "qa"), result("qa", assertions=[{"holds": False}]))
        (path,) = (shop.root / ".apigw" / "evidence").iterdir()
        path.write_bytes(result("qa"))
        held, why = self.held(apigw)
        assert (held, "was changed" in why) == (False, True)
        assert apigw("verify").code == 4

    def test_a_stage_without_release_is_said_before_anything_is_measured(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("bench", "--attach", "qa")
        assert (failed.code, "qa has no release yet" in failed.err) == (1, True)

    def test_a_real_result_has_what_the_gate_looks_at(self) -> None:
        fields = {"verdict", "interrupted", "requests", "served", "limits", "assertions"}
        assert fields <= set(Result.__struct_fields__) and fields == set(evidence.Measured.__struct_fields__)


class TestPlanFiles:
    def written(self, apigw: Apigw, *words: str) -> Path:
        done = apigw("promote", "qa", "prod", "--plan-out", "plan.json", *words)
        assert done.code == 0, done.err
        return Path("plan.json")

    def test_is_carried_out_as_it_was_shown(self, shop: Shop, apigw: Apigw) -> None:
        fingerprint = weaken(shop, apigw)
        before = shop.audit
        self.written(apigw, "--accept", fingerprint, "--reason", REASON, "--expires", "30d")
        assert shop.audit == before
        assert apigw("promote", "--plan", "plan.json").code == 2, "somebody has to say yes"
        done = apigw("promote", "--plan", "plan.json", "--yes")
        assert done.code == 0, done.err
        assert shop.pointers["prod"]["release"] == shop.pointers["qa"]["release"]
        assert shop.audit[-1]["accepted"][0]["reason"] == REASON

    def test_the_first_promotion_takes_the_working_files_along(self, shop: Shop, apigw: Apigw) -> None:
        self.written(apigw)
        assert not shop.pointers
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 4/s")
        stale = apigw("promote", "--plan", "plan.json", "--yes")
        assert (stale.code, "qa has " in stale.err, shop.pointers) == (5, True, {})
        shop.edit("apigw.yaml", "rate: 4/s", "rate: 5/s")
        assert apigw("promote", "--plan", "plan.json", "--yes").code == 0

    @pytest.mark.parametrize("moved", ["source", "target", "stage file"])
    def test_is_refused_when_anything_moved(self, shop: Shop, apigw: Apigw, moved: str) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 4/s")
        apigw("deploy", "qa")
        self.written(apigw)
        if moved == "stage file":
            shop.edit("stages/prod.yaml", "9002", "9003")
        else:
            shop.edit("apigw.yaml", "rate: 4/s", "rate: 3/s")
            apigw("deploy", "qa" if moved == "source" else "prod", "--yes")
        before = (shop.pointers, shop.audit)
        stale = apigw("promote", "--plan", "plan.json", "--yes")
        said = {"source": "qa was moved", "target": "prod was moved: ", "stage file": "prod's stage file was edited"}
        assert (stale.code, said[moved] in stale.err) == (5, True), stale.err
        assert (shop.pointers, shop.audit) == before

    def test_gates_are_asked_again(self, shop: Shop, apigw: Apigw) -> None:
        gates(shop, BENCH)
        apigw("deploy", "qa")
        with freeze_time("2026-03-01T12:00:00Z"):
            evidence.attach(evidence.target(None, "qa"), result("qa"))
            self.written(apigw)
        with freeze_time("2026-03-01T18:00:00Z"):
            assert apigw("promote", "--plan", "plan.json", "--yes").code == 4

    def test_what_was_accepted_can_be_over(self, shop: Shop, apigw: Apigw) -> None:
        fingerprint = weaken(shop, apigw)
        with freeze_time("2026-03-01T12:00:00Z"):
            self.written(apigw, "--accept", fingerprint, "--reason", REASON, "--expires", "2026-03-02")
        with freeze_time("2026-03-03T00:00:00Z"):
            over = apigw("promote", "--plan", "plan.json", "--yes")
        assert (over.code, "until 2026-03-02, which is over" in over.err) == (5, True)

    def test_a_blocked_plan_is_not_written(self, shop: Shop, apigw: Apigw) -> None:
        weaken(shop, apigw)
        blocked = apigw("promote", "qa", "prod", "--plan-out", "plan.json")
        assert (blocked.code, "no plan was written to plan.json" in blocked.out) == (4, True), blocked.out
        assert not Path("plan.json").exists()

    def test_what_is_no_plan(self, shop: Shop, apigw: Apigw) -> None:
        for text in ("{", "[]", '{"format": 1}'):
            Path("plan.json").write_text(text)
            failed = apigw("promote", "--plan", "plan.json", "--yes")
            assert (failed.code, "plan.json:1:1" in failed.err) == (1, True)
        assert apigw("promote", "--plan", "nope.json").code == 1
        assert apigw("promote", "--plan", ".").code == 1
        assert apigw("promote", "qa", "prod", "--plan", "plan.json").code == 2
        assert apigw("promote", "qa").code == 2

    def test_a_plan_that_cannot_be_written(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("promote", "qa", "prod", "--plan-out", "no/such/folder/plan.json")
        assert (failed.code, "cannot write" in failed.err, shop.pointers) == (1, True, {})


def test_a_snapshot_does_not_depend_on_its_gates(shop: Shop) -> None:
    before = Workspace(None).compile("prod").snapshot.digest
    gates(shop, BENCH)
    assert Workspace(None).compile("prod").snapshot.digest == before
