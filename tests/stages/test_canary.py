"""A canary in the pointer: its states, the judgement of its two sides, and that what cannot be told never promotes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.snapshot.running import Running
from apigw_cli.stages import canary
from apigw_cli.stages.canary_judgement import HOLDS, INCONCLUSIVE, WORSE, Side, difference, judge, total, wilson
from apigw_cli.stages.released import deployed
from tests.stages.conftest import Apigw, Shop

BOUNDS = (0.001, 0.01, 0.1)


def side(ok: int, failed: int = 0, fast: int | None = None, slow: int = 0) -> Side:
    fast = ok + failed - slow if fast is None else fast
    return Side((0, ok, 0, 0, failed), (fast, 0, slow, 0), BOUNDS)


@pytest.fixture
def running(shop: Shop, apigw: Apigw) -> Shop:
    """prod runs one release, and 10 % go to another."""
    apigw("promote", "qa", "prod", "--yes")
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 4/s")
    apigw("deploy", "qa")
    done = apigw("promote", "qa", "prod", "--canary", "10%", "--canary-by", "header:X-Tenant", "--yes")
    assert done.code == 0, done.err
    return shop


def told(monkeypatch: pytest.MonkeyPatch, shop: Shop, stable: Side, beside: Side) -> None:
    """Have a gateway say that."""
    began = shop.pointers["prod"]["canary"]["began"]
    sides = {
        name: {"classes": one.classes, "latencies": one.latencies, "bounds": one.bounds}
        for name, one in (("stable", stable), ("canary", beside))
    }
    page: dict[str, Any] = {"began": began, "sides": sides}
    monkeypatch.setattr(Running, "ask", lambda *_: page)
    monkeypatch.setattr(canary.running, "gateways", lambda *_: [Running(1, "http://x", "prod", True)])


class TestStates:
    def test_is_part_of_the_pointer(self, running: Shop) -> None:
        pointer = running.pointers["prod"]
        beside = pointer["canary"]
        assert pointer["release"] != running.pointers["qa"]["release"] == beside["release"]
        assert (beside["percent"], beside["by"], beside["began"]) == (10, "header:x-tenant", pointer["generation"])
        found = deployed(None, "prod")
        assert found.canary is not None and found.canary.compiled.snapshot.stage == "prod"
        line = running.audit[-1]
        assert (line["action"], line["canary"], line["to"]) == ("canary", 10, beside["release"])

    def test_the_stage_takes_nothing_else_meanwhile(self, running: Shop, apigw: Apigw) -> None:
        before = running.pointers
        for words in (("promote", "qa", "prod"), ("deploy", "prod"), ("rollback", "prod")):
            refused = apigw(*words, "--yes")
            assert (refused.code, "apigw canary prod abort" in refused.err) == (5, True)
        assert running.pointers == before
        assert apigw("deploy", "qa").code == 0

    def test_another_share(self, running: Shop, apigw: Apigw) -> None:
        before = running.pointers["prod"]
        assert apigw("canary", "prod", "set", "50%", "--reason", "looks well").code == 0
        now = running.pointers["prod"]
        assert (now["canary"]["percent"], now["canary"]["began"]) == (50, before["canary"]["began"])
        assert (now["time"], now["release"]) == (before["time"], before["release"])
        assert "canary at 50 %" in apigw("history", "prod").out

    @pytest.mark.parametrize("share", ["0%", "100%", "101%", "-1%", "ten", "", "nan%"])
    def test_what_is_no_share(self, running: Shop, apigw: Apigw, share: str) -> None:
        assert apigw("canary", "prod", "set", "--", share).code == 2

    def test_abort(self, running: Shop, apigw: Apigw) -> None:
        stable = running.pointers["prod"]["release"]
        assert apigw("canary", "prod", "abort", "--reason", "no").code == 0
        assert (running.pointers["prod"]["release"], "canary" in running.pointers["prod"]) == (stable, False)
        assert apigw("canary", "prod").code == 1
        assert apigw("promote", "qa", "prod", "--yes").code == 0
        assert apigw("verify").code == 0

    def test_only_beside_something(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("promote", "qa", "prod", "--canary", "10%", "--yes")
        assert (failed.code, shop.pointers) == (2, {})

    @pytest.mark.parametrize(
        "words",
        [
            ("promote", "qa", "prod", "--canary", "10%", "--canary-by", "mood"),
            ("promote", "qa", "prod", "--canary-by", "ip"),
            ("canary", "prod", "set"),
            ("canary", "prod", "abort", "50%"),
            ("canary", "prod", "abort", "--force"),
            ("canary", "prod", "promote", "--force"),
            ("canary", "prod", "promote", "--wait", "soon"),
        ],
    )
    def test_wrong_usage(self, running: Shop, apigw: Apigw, words: tuple[str, ...]) -> None:
        before = running.pointers
        assert (apigw(*words).code, running.pointers) == (2, before)

    def test_gates_stop_a_canary_too(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
        apigw("deploy", "qa")
        assert apigw("promote", "qa", "prod", "--canary", "1%", "--yes").code == 4
        assert "canary" not in shop.pointers["prod"]

    def test_from_a_plan_in_a_file(self, shop: Shop, apigw: Apigw) -> None:
        apigw("promote", "qa", "prod", "--yes")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 4/s")
        apigw("deploy", "qa")
        apigw("promote", "qa", "prod", "--canary", "2.5%", "--canary-by", "ip", "--plan-out", "plan.json")
        assert apigw("promote", "--plan", "plan.json", "--yes").code == 0
        assert shop.pointers["prod"]["canary"]["percent"] == 2.5


class TestPromote:
    def test_without_a_gateway_it_cannot_be_told(self, running: Shop, apigw: Apigw) -> None:
        before = running.pointers
        assert apigw("canary", "prod", "promote").code == 7
        assert apigw("canary", "prod", "promote", "--wait", "0s").code == 7
        assert running.pointers == before

    def test_where_it_does_no_worse(self, running: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        told(monkeypatch, running, side(9000), side(1000))
        beside = running.pointers["prod"]["canary"]["release"]
        assert apigw("canary", "prod", "promote").code == 0
        assert (running.pointers["prod"]["release"], "canary" in running.pointers["prod"]) == (beside, False)
        assert apigw("verify").code == 0
        assert apigw("rollback", "prod", "--yes").code == 0

    def test_where_it_does_worse(self, running: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        told(monkeypatch, running, side(9000), side(900, 100))
        shown = apigw("canary", "prod", "status")
        assert (shown.code, shown.out.startswith("✗ does worse")) == (0, True)
        assert "10.0 %" in shown.out
        assert apigw("canary", "prod", "promote").code == 4
        assert "canary" in running.pointers["prod"]

    def test_waiting_aborts_what_is_worse(self, running: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        told(monkeypatch, running, side(9000), side(900, 100))
        stable = running.pointers["prod"]["release"]
        done = apigw("canary", "prod", "promote", "--wait", "5s", "--format", "json")
        assert (done.code, done.json["outcome"], done.json["verdict"]) == (6, "aborted", WORSE)
        assert (running.pointers["prod"]["release"], "canary" in running.pointers["prod"]) == (stable, False)
        assert running.audit[-1]["canary"] == 0 and "did worse" in running.audit[-1]["reason"]

    def test_by_force_with_a_reason(self, running: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch) -> None:
        told(monkeypatch, running, side(10), side(1, 1))
        assert apigw("canary", "prod", "promote").code == 7
        assert apigw("canary", "prod", "promote", "--force", "--reason", "it is night").code == 0
        assert (running.audit[-1]["forced"], running.audit[-1]["reason"]) == (True, "it is night")

    def test_one_that_another_moved_meanwhile(self, running: Shop, apigw: Apigw) -> None:
        view = canary.look(canary.CanaryOptions("prod"))
        apigw("canary", "prod", "set", "20%")
        with pytest.raises(canary.StaleError, match="was moved"):
            canary.abort(view)
        with pytest.raises(canary.StaleError, match="was moved"):
            canary.promote(view, "x", force=True)
        assert running.pointers["prod"]["canary"]["percent"] == 20


class TestJudgement:
    def test_wilson_against_published_figures(self) -> None:
        """Newcombe 1998 (Statistics in Medicine 17, 857 and 873): 81 of 263, and 56/70 - 48/80, method 3 and 10."""
        low, high = wilson(81, 263)
        assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
        low, high = difference((56, 70), (48, 80))
        assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)

    def test_few_requests_cannot_be_told(self) -> None:
        assert judge(side(10_000), side(300)).verdict == INCONCLUSIVE
        assert judge(side(10_000), side(400)).verdict == HOLDS
        assert judge(Side(), side(400)).verdict == INCONCLUSIVE
        assert judge(side(400), Side()).verdict == INCONCLUSIVE

    def test_one_failure_of_few_is_no_proof(self) -> None:
        assert judge(side(10_000), side(9, 1)).verdict == INCONCLUSIVE
        assert judge(side(10_000), side(59, 1)).verdict == INCONCLUSIVE
        assert judge(side(10_000), side(90, 10)).verdict == WORSE

    def test_a_release_that_turns_callers_away_is_worse(self) -> None:
        nobody = Side((0, 0, 0, 1000, 0), (0, 0, 0, 0), BOUNDS)
        assert judge(side(10_000), nobody).verdict == WORSE
        half = Side((0, 500, 0, 500, 0), (500, 0, 0, 0), BOUNDS)
        assert judge(side(10_000), half).verdict == WORSE
        assert judge(total([half] * 9), half).verdict == HOLDS

    def test_refusals_hide_no_failures(self) -> None:
        flooded = [Side((0, 2000 - bad, 0, 98_000, bad), (2000, 0, 0, 0), BOUNDS) for bad in (0, 100)]
        assert judge(*flooded).verdict == WORSE  # 5 % of those let in, 0.1 % of all
        few = Side((0, 15, 0, 985, 0), (15, 0, 0, 0), BOUNDS)
        assert judge(few, few).verdict == INCONCLUSIVE

    def test_slower(self) -> None:
        assert judge(side(10_000), side(1000, slow=200)).verdict == WORSE
        assert judge(side(10_000, slow=200), side(1000, slow=20)).verdict == HOLDS

    @given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
    def test_more_of_the_same_never_goes_from_holds_to_worse(self, a: int, b: int, c: int, d: int) -> None:
        stable, beside = side(a + 1, b), side(c + 1, d)
        verdicts = {judge(stable, beside).verdict, judge(total([stable] * 9), total([beside] * 9)).verdict}
        assert verdicts != {HOLDS, WORSE}

    @given(st.integers(0, 400), st.integers(1, 400), st.integers(0, 400), st.integers(1, 400))
    def test_the_interval_holds_the_difference(self, a: int, m: int, b: int, n: int) -> None:
        one, other = (min(a, m), m), (min(b, n), n)
        low, high = difference(one, other)
        assert -1.0000001 <= low <= one[0] / one[1] - other[0] / other[1] <= high <= 1.0000001
        back = difference(other, one)
        assert back == pytest.approx((-high, -low))
