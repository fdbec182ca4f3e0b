"""Deprecation, sunset dates and grace periods, stability levels; levels of a team's own."""

from __future__ import annotations

from typing import Any

import pytest
from freezegun import freeze_time

from apigw_cli.errors import InputError
from apigw_cli.stages.contract import compare as contract
from apigw_cli.stages.contract.terms import Terms, read_levels
from apigw_cli.stages.finding import Level
from tests.stages.specs import body, contract_of, operation, spec

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:freezegun")]
OLD, SOON, LATER = "2030-01-01", "2030-06-01", "2031-06-01"


@pytest.fixture(autouse=True)
def today() -> Any:
    with freeze_time("2030-05-01"):
        yield


def judged(old: Any, new: Any, **terms: Any) -> set[tuple[str, Level]]:
    findings = contract.compare(contract_of(old), contract_of(new), terms=Terms(**terms))
    return {(finding.id, finding.level) for finding in findings}


def api(**parts: Any) -> dict[str, Any]:
    return spec(operation(**{key.replace("_", "-"): value for key, value in parts.items()}))


GONE = spec({})
CASES: list[tuple[str, Any, Any, dict[str, Any], set[tuple[str, Level]]]] = [
    ("announced", api(), api(deprecated=True), {}, {("endpoint-deprecated", Level.INFO)}),
    ("announced, no date", api(), api(deprecated=True), {"sunset_days": 90},
     {("api-deprecated-sunset-missing", Level.ERR)}),
    ("announced with a date", api(), api(deprecated=True, x_sunset=LATER), {"sunset_days": 90},
     {("endpoint-deprecated-with-sunset", Level.INFO)}),
    ("announced too late", api(), api(deprecated=True, x_sunset=SOON), {"sunset_days": 90},
     {("api-sunset-date-too-small", Level.ERR)}),
    ("no date at all", api(), api(deprecated=True, x_sunset="soon"), {}, {("api-deprecated-sunset-parse", Level.ERR)}),
    ("a time of RFC 3339", api(), api(deprecated=True, x_sunset=f"{LATER}T00:00:00Z"), {},
     {("endpoint-deprecated-with-sunset", Level.INFO)}),
    ("taken back", api(deprecated=True), api(), {}, {("endpoint-reactivated", Level.INFO)}),
    ("date taken back", api(deprecated=True, x_sunset=SOON), api(deprecated=True), {}, {("sunset-deleted", Level.ERR)}),
    ("date brought forward", api(deprecated=True, x_sunset=LATER), api(deprecated=True, x_sunset=SOON), {},
     {("api-sunset-date-changed-too-small", Level.ERR)}),
    ("date put off", api(deprecated=True, x_sunset=SOON), api(deprecated=True, x_sunset=LATER), {},
     {("api-sunset-postponed", Level.INFO)}),
    ("removed in time", api(deprecated=True, x_sunset=OLD), GONE, {},
     {("api-path-removed-with-deprecation", Level.WARN)}),
    ("removed too early", api(deprecated=True, x_sunset=SOON), GONE, {},
     {("api-path-removed-before-sunset", Level.ERR)}),
    ("removed, date unknown", api(deprecated=True, x_sunset="?"), GONE, {}, {("api-path-sunset-parse", Level.ERR)}),
    ("less stable", api(), api(x_stability_level="beta"), {}, {("api-stability-decreased", Level.ERR)}),
    ("more stable", api(x_stability_level="alpha"), api(x_stability_level="beta"), {},
     {("api-stability-increased", Level.INFO)}),
    ("no such stability", api(), api(x_stability_level="solid"), {}, {("api-invalid-stability-level", Level.ERR)}),
    ("a draft may go", api(x_stability_level="draft"), GONE, {},
     {("api-path-removed-without-deprecation", Level.INFO)}),
    ("a beta may not", api(x_stability_level="beta"), GONE, {}, {("api-path-removed-without-deprecation", Level.ERR)}),
    ("a beta may, if said", api(x_stability_level="beta"), GONE, {"stability": "stable"},
     {("api-path-removed-without-deprecation", Level.INFO)}),
    ("days of a beta", api(x_stability_level="beta"),
     api(x_stability_level="beta", deprecated=True, x_sunset="2030-05-20"), {"sunset_days": 90, "beta_days": 10},
     {("endpoint-deprecated-with-sunset", Level.INFO)}),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "terms", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_operation(old: Any, new: Any, terms: dict[str, Any], expected: set[tuple[str, Level]]) -> None:
    assert judged(old, new, **terms) == expected


def parameter(**rest: Any) -> dict[str, Any]:
    return api(parameters=[{"name": "q", "in": "query", "schema": {"type": "string"}, **rest}])


def test_a_parameter() -> None:
    assert judged(parameter(), parameter(deprecated=True)) == {("request-parameter-deprecated", Level.INFO)}
    assert judged(parameter(), parameter(deprecated=True), sunset_days=9) == {
        ("request-parameter-deprecated-sunset-missing", Level.ERR)
    }
    assert judged(parameter(), api()) == {("request-parameter-removed", Level.WARN)}
    assert judged(parameter(deprecated=True), api()) == {("request-parameter-removed-with-deprecation", Level.INFO)}
    early = parameter(deprecated=True, **{"x-sunset": SOON})
    assert judged(early, api()) == {("request-parameter-removed-before-sunset", Level.ERR)}


def test_a_property() -> None:
    def pet(**rest: Any) -> dict[str, Any]:
        return body({"type": "object", "properties": {"a": {"type": "string", **rest}}})

    assert judged(pet(), pet(deprecated=True)) == {("request-property-deprecated", Level.INFO)}
    assert judged(pet(), pet(**{"x-stability-level": "beta"})) == {("request-property-stability-decreased", Level.ERR)}


def test_levels_of_a_teams_own() -> None:
    levels = read_levels("# ours\napi-tag-removed warn\nendpoint-deprecated\tnone  # noise\n\n", "levels.txt")
    assert levels == {"api-tag-removed": Level.WARN, "endpoint-deprecated": None}
    assert judged(api(tags=["a"]), api(deprecated=True), levels=levels) == {("api-tag-removed", Level.WARN)}


@pytest.mark.parametrize(
    ("text", "message"),
    [("api-tag-remove err", "no rule"), ("api-tag-removed bad", "no level"), ("api-tag-removed", "a line is")],
)
def test_a_file_of_levels_that_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as failed:
        read_levels(f"\n{text}", "levels.txt")
    assert str(failed.value.place) == "levels.txt:2:1"
