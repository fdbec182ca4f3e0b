"""Nothing that apigw.yaml can say changes unseen: each key is compared, and loosening one never counts as stricter."""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import fields

from apigw_cli.config.model import Config, Policies
from apigw_cli.config.reference import SecretReference
from apigw_cli.snapshot import model, schemes
from apigw_cli.stages import comparison, deployments
from apigw_cli.stages.finding import Axis, Finding, Level
from apigw_cli.stages.protection.tables import ELSEWHERE, TABLES
from apigw_cli.stages.workspace import Workspace
from tests.stages.settings import CASES, SPEC, WAIVED, Case, config

Deployment = deployments.Deployment


class Gateways:
    """Configurations compiled once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[str, Deployment] = {}

    def of(self, data: dict[str, Any]) -> Deployment:
        text = json.dumps(data)
        if text not in self.made:
            folder = self.root / str(len(self.made))
            (folder / "stages").mkdir(parents=True)
            (folder / "apigw.yaml").write_text(text)
            (folder / "shop.yaml").write_text(SPEC)
            for stage in ("qa", "prod"):
                (folder / "stages" / f"{stage}.yaml").write_text("")
            self.made[text] = deployments.working(Workspace(folder / "apigw.yaml"), "qa")
        return self.made[text]

    def findings(self, case: Case, old: Any, new: Any) -> list[Finding]:
        return comparison.of_deployments(self.of(config(case, old)), self.of(config(case, new)))


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Gateways:
    return Gateways(tmp_path_factory.mktemp("gateways"))


EXPECTED = {
    "loosens": ({Level.WEAKEN}, {Level.STRENGTHEN}),
    "ambiguous": ({Level.WEAKEN}, {Level.WEAKEN}),
    "neutral": ({Level.NEUTRAL}, {Level.NEUTRAL}),
    "contract": (set(), set()),
}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.path} {case.kind}" for case in CASES])
def test_a_change_of_one_value(gateways: Gateways, case: Case) -> None:
    """From every value to every later one, and back: not one loosening is neutral or strengthens."""
    for i, old in enumerate(case.values):
        for new in case.values[i + 1 :]:
            there, back = gateways.findings(case, old, new), gateways.findings(case, new, old)
            assert there and back, (old, new)
            levels = tuple({f.level for f in found if f.axis is Axis.PROTECTION} for found in (there, back))
            assert levels == EXPECTED[case.kind], (old, new)
            for finding in (*there, *back):
                assert (finding.why and " → " in finding.message) or finding.axis is Axis.CONTRACT
                assert finding.axis is Axis.CONTRACT or len(finding.locations) >= 1, finding


def test_a_value_against_itself(gateways: Gateways) -> None:
    for case in CASES:
        made = gateways.of(config(case, case.values[0]))
        assert comparison.of_deployments(made, made) == []


def test_every_key_of_the_configuration_has_a_case() -> None:
    cases = {re.sub(r"^(apis|sites|upstreams|auth)\.[^.]+", r"\1.*", case.path).replace(".0.", ".*.") for case in CASES}
    keys = set(_keys(Config, ""))
    missing = keys - cases - WAIVED.keys()
    assert not missing, (
        f"{sorted(missing)} of config/model.py is compared nowhere, for all that is known: give it a line in "
        "apigw_cli/stages/protection/tables.py (or auth/compare.py) and a case in tests/stages/settings.py"
    )
    assert not WAIVED.keys() - keys, "waived, and not there"


def _keys(struct: type, at: str) -> Iterator[str]:
    for field in fields(struct):
        name = f"{at}.{field.encode_name}" if at else field.encode_name
        yield from _of_type(field.type, name)


def _of_type(kind: Any, name: str) -> Iterator[str]:
    """The dotted paths of all values below a type; lists and mappings as `*`."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        yield from _of_type(arguments[0], name)
    elif origin in (typing.Union, types.UnionType):
        for one in arguments:
            yield from _of_type(one, name)
    elif origin in (list, dict) and name not in ("apis.*.routes", "stages.promote") and not name.endswith(".require"):
        below = list(_of_type(arguments[-1], f"{name}.*"))
        yield from (one if one != f"{name}.*" else name for one in below)
    elif isinstance(kind, type) and issubclass(kind, Struct) and kind not in (Policies, SecretReference):
        yield from _keys(kind, name)
    elif kind is not type(None):
        yield name


def _structs(kind: Any, seen: set[type]) -> set[type]:
    if isinstance(kind, type) and issubclass(kind, Struct) and kind not in seen:
        seen.add(kind)
        for hint in typing.get_type_hints(kind, include_extras=True).values():
            _structs(hint, seen)
    for argument in typing.get_args(kind):
        _structs(argument, seen)
    return seen


def test_every_field_of_a_snapshot_is_compared_somewhere() -> None:
    """The other end: what reaches a Snapshot has its line, or says where it is compared, or why nowhere."""
    for struct in _structs(model.Snapshot, set()):
        if issubclass(struct, schemes.AuthScheme):
            known = set(_scheme_table(struct))
        else:
            assert (struct in TABLES) != (struct in ELSEWHERE), f"{struct.__name__} is in no table, or in both"
            known = set(TABLES[struct] if struct in TABLES else ELSEWHERE[struct])
        assert known == set(struct.__struct_fields__), struct.__name__


def _scheme_table(struct: type) -> Any:
    from apigw_cli.policies.auth.compare import TABLES as SCHEMES

    return SCHEMES[struct]
