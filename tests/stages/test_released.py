"""What `apigw serve --stage NAME --released` runs, and that a release holds no secret."""

from __future__ import annotations

import shutil

import pytest

from apigw_cli.errors import InputError
from apigw_cli.policies.registry import POLICIES
from apigw_cli.stages.released import load, released
from apigw_cli.stages.workspace import Workspace
from tests.stages.conftest import KEYS, Apigw, Shop


def test_is_what_the_stage_points_at_with_its_recorded_file(shop: Shop, apigw: Apigw) -> None:
    apigw("promote", "qa", "prod", "--yes")
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
    shop.edit("stages/prod.yaml", "9002", "9009")
    compiled, _ = released(None, "prod", POLICIES)
    limits = {route.operation: route.policies["rate_limit"]["rate"] for route in compiled.snapshot.routes}
    assert limits["createPet"] == "5/s"
    assert compiled.snapshot.upstreams["pets"].targets == ("http://127.0.0.1:9002",)
    assert (compiled.snapshot.stage, compiled.root.resolve()) == ("prod", shop.root.resolve())


def test_is_what_the_working_files_gave_when_they_were_promoted(shop: Shop, apigw: Apigw) -> None:
    working = Workspace(None).compile("prod").snapshot.digest
    apigw("promote", "qa", "prod", "--yes")
    assert released(None, "prod")[0].snapshot.digest == working


def test_the_working_files_take_no_part(shop: Shop, apigw: Apigw) -> None:
    apigw("promote", "qa", "prod", "--yes")
    before = released(None, "prod")[0].snapshot.digest
    (shop.root / "apigw.yaml").write_text("a: [")
    (shop.root / "shop.yaml").unlink()
    shutil.rmtree(shop.root / "stages")
    assert released(shop.root, "prod")[0].snapshot.digest == before
    assert load(shop.root, "prod")[0].snapshot.digest == before


def test_pointer_and_key_lists_are_watched(shop: Shop, apigw: Apigw) -> None:
    apigw("promote", "qa", "prod", "--yes")
    compiled, files = released(None, "prod")
    assert {path.name for path in files} == {"stages.json", "keys.yaml"}
    assert all(path.is_file() for path in files)
    assert compiled.files == files


def test_follows_the_pointer(shop: Shop, apigw: Apigw) -> None:
    apigw("promote", "qa", "prod", "--yes")
    before = released(None, "prod")[0].snapshot.digest
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 4/s")
    apigw("deploy", "qa")
    assert released(None, "prod")[0].snapshot.digest == before
    apigw("promote", "qa", "prod", "--yes")
    assert released(None, "prod")[0].snapshot.digest != before


@pytest.mark.parametrize("stage", ["prod", "nope"])
def test_a_stage_without_release(shop: Shop, apigw: Apigw, stage: str) -> None:
    apigw("deploy", "qa")
    with pytest.raises(InputError, match=f'stage "{stage}" has no release yet') as caught:
        released(None, stage)
    assert f"apigw deploy {stage}" in (caught.value.hint or "") and "qa" in (caught.value.hint or "")


def test_no_key_material_enters_the_store(shop: Shop, apigw: Apigw) -> None:
    apigw("promote", "qa", "prod", "--yes")
    shop.edit("apigw.yaml", "rate: 5/s", "rate: 50/s")
    apigw("deploy", "qa")
    apigw("promote", "qa", "prod", "--yes")
    digest = KEYS.split("sha256: ")[1].strip(" }\n")
    written = [path for path in (shop.root / ".apigw").rglob("*") if path.is_file()]
    assert len(written) > 8
    for path in written:
        text = path.read_text()
        assert digest not in text and "alice" not in text, path
    references = [path for path in written if "keys.yaml" in path.read_text()]
    assert references, "a release refers to the key list by name"
