"""No secret is shown; that it changed is. Told by where it stands, never by what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apigw_cli.stages.diff import DiffOptions, diff
from apigw_cli.stages.finding import Finding, Level
from tests.stages.conftest import Apigw, Shop
from tests.stages.test_reports import FORMATS

OLD, NEW = "hunter2-old", "hunter2-new"
HEADER = '        request_headers: {set: {Authorization: "Bearer %s", X-Team: %s}}\n'
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"


def put_header(shop: Shop, apigw: Apigw, old: str, new: str) -> None:
    shop.edit("apigw.yaml", "      createPet:\n", "      createPet:\n" + HEADER % (old, "pets"))
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit("apigw.yaml", HEADER % (old, "pets"), HEADER % (new, "pets"))
    assert apigw("deploy", "qa").code == 0


@pytest.mark.parametrize("form", ("text", *FORMATS))
def test_a_literal_in_a_header(shop: Shop, apigw: Apigw, form: str) -> None:
    put_header(shop, apigw, OLD, NEW)
    for more in ((), ("-v",)):
        done = apigw("diff", "qa", "prod", "--format", form, *more)
        assert done.code == 0 and "hunter2" not in done.out + done.err
        assert "Authorization: [secret]" in done.out
    (finding,) = findings()
    assert (finding.secret, finding.level) == ("changed", Level.WEAKEN)


def findings() -> tuple[Finding, ...]:
    return diff(DiffOptions("qa", "prod")).findings


@pytest.mark.parametrize("secret", ["pets", "a", "createPet", "limit", "Bearer", "true"])
def test_a_secret_that_is_a_visible_word_masks_no_other(shop: Shop, apigw: Apigw, secret: str) -> None:
    put_header(shop, apigw, secret, "other")
    out = apigw("diff", "qa", "prod").out
    assert "createPet" in out and "+ X-Team: pets" in out and "[secret]" in out
    assert (f"Bearer {secret}" in out, "Bearer other" in out) == (False, False)


def test_the_same_secret_beside_another_change(shop: Shop, apigw: Apigw) -> None:
    put_header(shop, apigw, OLD, OLD)
    shop.edit("apigw.yaml", "X-Team: pets", "X-Team: cats")
    apigw("deploy", "qa")
    (finding,) = findings()
    assert finding.secret == "same"
    assert "(secrets here: same)" in apigw("diff", "qa", "prod").out


def test_a_secret_in_a_variable(shop: Shop, apigw: Apigw) -> None:
    """What ends under a telling name is a secret, whatever the variable is called; and so is what is called one."""
    shop.edit("apigw.yaml", "      createPet:\n", "      createPet:\n" + HEADER % ("${team}", "pets"))
    for stage, value in (("qa", OLD), ("prod", NEW)):
        shop.edit(f"stages/{stage}.yaml", "variables: {", f"variables: {{team: {value}, api_token: {value}, n: 1, ")
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    for form in ("text", *FORMATS):
        done = apigw("diff", "qa", "prod", "--format", form)
        assert "hunter2" not in done.out + done.err
    listed = apigw("diff", "qa", "prod", "--format", "json").json["stage_differences"]
    shown = {one["path"]: (one["old"], one["new"], one["secret"]) for one in listed}
    assert shown["variables.team"] == ("[secret]", "[secret]", "changed")
    assert shown["variables.api_token"] == ("[secret]", "[secret]", "changed")
    assert shown["variables.pets_url"] == ("http://127.0.0.1:9001", "http://127.0.0.1:9002", None)


def test_an_override_of_a_header(shop: Shop, apigw: Apigw) -> None:
    put_header(shop, apigw, OLD, OLD)
    override = f"overrides: {{apis.shop.routes.createPet.request_headers: {{set: {{X-Api-Key: {NEW}, X-A: b}}}}}}\n"
    shop.edit("stages/prod.yaml", "variables:", override + "variables:")
    done = apigw("diff", "qa", "prod")
    assert "hunter2" not in done.out and "{X-Api-Key: [secret], X-A: b}" in done.out


class TestReferences:
    def states(self, shop: Shop, apigw: Apigw, old: str, new: str) -> list[tuple[Any, Level]]:
        shop.edit("apigw.yaml", "{file: keys.yaml}", old)
        assert apigw("promote", "qa", "prod", "--yes").code == 0
        shop.edit("apigw.yaml", old, new)
        assert apigw("deploy", "qa").code == 0
        return [(finding.secret, finding.level) for finding in findings()]

    @pytest.mark.parametrize(
        ("content", "state"), [(PEM, "same"), (PEM.replace("A==", "B=="), "changed"), (None, "missing")]
    )
    def test_what_two_references_lead_to(
        self, shop: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch, content: str | None, state: str
    ) -> None:
        (shop.root / "one.pem").write_text(PEM)
        monkeypatch.delenv("TWO", raising=False)
        if content is not None:
            monkeypatch.setenv("TWO", content)
        assert self.states(shop, apigw, "{file: one.pem}", "{env: TWO}") == [(state, Level.WEAKEN)]
        out = apigw("diff", "qa", "prod").out
        assert f"keys file:one.pem → env:TWO (secrets here: {state})" in out and "MC4C" not in out

    def test_a_jwk_in_a_file(self, shop: Shop, apigw: Apigw) -> None:
        for name, k in (("a.json", "c2VjcmV0"), ("b.json", "b3RoZXI")):
            (shop.root / name).write_text(json.dumps({"keys": [{"kty": "oct", "k": k}]}))
        assert self.states(shop, apigw, "{file: a.json}", "{file: b.json}") == [("changed", Level.WEAKEN)]

    def test_the_fingerprint_knows_nothing_of_this_machine(
        self, shop: Shop, apigw: Apigw, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TWO", "x")
        self.states(shop, apigw, "{file: keys.yaml}", "{env: TWO}")
        before = findings()[0].fingerprint
        monkeypatch.delenv("TWO")
        assert findings()[0].fingerprint == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{keys: {file: keys.yaml}}", f"{{keys: {OLD}}}"),
        ("{keys: {file: keys.yaml}}", f"{{keys: [{OLD}]}}"),
        ("{keys: {file: keys.yaml}}", f"{{keys: {{value: {OLD}}}}}"),
        ("version: 1\n", f"version: 1\nlimits: {{service: {{url: 'https://a', token: {OLD}}}}}\n"),
        ("version: 1\n", f"version: 1\nlimits: {{redis: {{url: 'redis://a', password: {OLD}}}}}\n"),
        ("version: 1\n", f"version: 1\nlimits: {{redis: {{url: 'redis://a:{OLD}@b'}}}}\n"),
    ],
)
def test_where_a_reference_belongs_no_literal_can_be_and_none_is_repeated(
    shop: Shop, apigw: Apigw, old: str, new: str
) -> None:
    """So a reference never turns into a literal: that is an error, which points at the place alone."""
    shop.edit("apigw.yaml", old, new)
    for command in (("deploy", "qa"), ("diff", "qa", "prod")):
        failed = apigw(*command)
        assert failed.code == 1 and "apigw.yaml:" in failed.err
        assert OLD not in failed.err
