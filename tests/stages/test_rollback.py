"""`rollback` and `history`: back to what ran before, release and stage file together."""

from __future__ import annotations

import json

import pytest

from tests.stages.conftest import Apigw, Shop


def promote(shop: Shop, apigw: Apigw, rate: str) -> str:
    """Deploy with another limit of createPet, promote it to prod whatever the gates say, and return the release."""
    text = (shop.root / "apigw.yaml").read_text()
    before, _, after = text.partition("createPet:\n        rate_limit: {rate: ")
    rest = after.partition("/s")[2]
    (shop.root / "apigw.yaml").write_text(f"{before}createPet:\n        rate_limit: {{rate: {rate}/s{rest}")
    apigw("deploy", "qa")
    blocking = [f for f in apigw("diff", "qa", "prod", "--format", "json").json["findings"] if f["level"] == "weaken"]
    accept = [word for f in blocking for word in ("--accept", f["fingerprint"])]
    assert apigw("promote", "qa", "prod", "--yes", *accept, *(["--reason", "test"] if accept else [])).code == 0
    digest: str = shop.pointers["prod"]["release"]
    return digest


@pytest.fixture
def three(shop: Shop, apigw: Apigw) -> tuple[str, str, str]:
    """Three releases that prod ran, one after the other."""
    first, second, third = (promote(shop, apigw, rate) for rate in ("5", "6", "7"))
    return first, second, third


class TestRollback:
    def test_goes_to_what_ran_before(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        done = apigw("rollback", "prod", "--yes")
        assert done.code == 0
        assert "limit 7/s burst 5 per api_key → 6/s" in done.out
        assert f"prod runs {three[1][:7]} again (before: {three[2][:7]})" in done.out
        assert shop.pointers["prod"]["release"] == three[1]
        assert (shop.audit[-1]["action"], shop.audit[-1]["to"]) == ("rollback", three[1])

    def test_again_goes_further_back_and_then_ends(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        for wanted in (three[1], three[0]):
            apigw("rollback", "prod", "--yes")
            assert shop.pointers["prod"]["release"] == wanted
        failed = apigw("rollback", "prod", "--yes")
        assert (failed.code, "has run nothing before" in failed.err) == (1, True)

    def test_forward_again_by_promoting(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        apigw("rollback", "prod", "--yes")
        fourth = promote(shop, apigw, "8")
        apigw("rollback", "prod", "--yes")
        assert shop.pointers["prod"]["release"] == three[1]
        assert fourth != three[2]

    def test_as_json(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        words = ("rollback", "prod", "--format", "json")
        for more, outcome, code, runs in (((), "planned", 2, three[2]), (("--yes",), "applied", 0, three[1])):
            done = apigw(*words, *more)
            assert (done.code, done.json["action"], done.json["outcome"]) == (code, "rollback", outcome)
            assert (done.json["before"], done.json["release"]) == (three[2], three[1])
            assert done.json["diff"]["counts"]["strengthening"] == 1
            assert shop.pointers["prod"]["release"] == runs
        assert apigw(*words, "--to", three[1]).json["outcome"] == "identical"

    def test_to_a_release(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        assert apigw("rollback", "prod", "--to", three[0][:8], "--yes").code == 0
        assert shop.pointers["prod"]["release"] == three[0]
        assert "nothing changed" in apigw("rollback", "prod", "--to", three[0][:8], "--yes").out

    def test_only_to_what_the_stage_has_run(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        shop.edit("apigw.yaml", "burst: 5,", "burst: 9,")
        apigw("deploy", "qa")
        never = shop.pointers["qa"]["release"]
        failed = apigw("rollback", "prod", "--to", never[:8], "--yes")
        assert (failed.code, f"prod has never run {never[:7]}" in failed.err) == (1, True)
        assert three[2][:7] in failed.err

    def test_takes_the_stage_file_along(self, shop: Shop, apigw: Apigw) -> None:
        promote(shop, apigw, "5")
        shop.edit(
            "stages/prod.yaml",
            "expect_different",
            "overrides: {apis.shop.hosts: [localhost, b.example]}\nexpect_different",
        )
        promote(shop, apigw, "6")
        done = apigw("rollback", "prod", "--yes")
        assert "overrides" not in shop.pointers["prod"]["stage_file"]
        assert "stages/prod.yaml says something else now" in done.out
        assert "host b.example removed" in done.out

    def test_it_asks(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        refused = apigw("rollback", "prod")
        assert (refused.code, "apigw rollback prod --yes" in refused.err) == (2, True)
        assert shop.pointers["prod"]["release"] == three[2]

    def test_a_stage_that_never_ran_anything(self, shop: Shop, apigw: Apigw) -> None:
        failed = apigw("rollback", "prod", "--yes")
        assert (failed.code, "apigw promote qa prod" in failed.err) == (1, True)

    def test_works_while_the_working_files_are_wrong(
        self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]
    ) -> None:
        shop.edit("apigw.yaml", "rate: 7/s", "rate: fast")
        assert apigw("rollback", "prod", "--yes").code == 0

    def test_a_tampered_release_is_not_run(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        path = shop.root / ".apigw" / "releases" / f"{three[1]}.json"
        path.write_text(path.read_text().replace("6/s", "600/s"))
        failed = apigw("rollback", "prod", "--yes")
        assert (failed.code, f"release {three[1][:7]} was changed" in failed.err) == (1, True)
        assert shop.pointers["prod"]["release"] == three[2]


class TestHistory:
    def test_newest_first_with_what_runs_now(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        apigw("rollback", "prod", "--yes")
        lines = apigw("history", "prod").out.splitlines()
        digests = [line.split()[1] for line in lines if line.startswith(("✓", "·"))]
        assert digests == [digest[:7] for digest in (three[1], three[2], three[1], three[0])]
        assert lines[0].startswith("✓") and lines[0].endswith("now")
        assert all(line.startswith("✓") is (index == 0) for index, line in enumerate(lines))

    def test_refused_attempts_and_reasons_are_in_it(self, shop: Shop, apigw: Apigw) -> None:
        promote(shop, apigw, "5")
        shop.edit("apigw.yaml", "rate: 5/s", "rate: 6/s")
        apigw("deploy", "qa")
        apigw("promote", "qa", "prod", "--yes")
        promote(shop, apigw, "6")
        text = apigw("history", "prod").out
        assert "blocked by 1" in text
        assert "accepted  createPet: limit 5/s burst 5 per api_key → 6/s burst 5 per api_key  “test”" in text

    def test_json(self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]) -> None:
        report = apigw("history", "prod", "--format", "json").json
        assert (report["stage"], report["broken_line"]) == ("prod", None)
        assert [event["to"] for event in report["events"]] == list(reversed(three))
        assert [event["current"] for event in report["events"]] == [True, False, False]

    def test_a_broken_chain_is_said_and_ends_with_4(
        self, shop: Shop, apigw: Apigw, three: tuple[str, str, str]
    ) -> None:
        path = shop.root / ".apigw" / "audit.jsonl"
        lines = path.read_text().splitlines()
        lines[1] = json.dumps({**json.loads(lines[1]), "who": "nobody"}, separators=(",", ":"))
        path.write_text("\n".join(lines) + "\n")
        shown = apigw("history", "prod")
        assert (shown.code, "line 3 does not follow" in shown.out) == (4, True)
        assert "the audit log is broken at line 3" in apigw("rollback", "prod", "--yes").out

    def test_nothing_yet(self, shop: Shop, apigw: Apigw) -> None:
        shown = apigw("history", "prod")
        assert (shown.code, "no history yet" in shown.out) == (0, True)
        assert apigw("history", "nope").code == 2
