"""Where the policy is read from: the files, the specification, the gateway that runs; and whether they agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.bench.local import HOST, ports_in, running, when_ready
from apigw_cli.bench.proof import Proof
from apigw_cli.bench.result import Result
from apigw_cli.errors import EnvironmentFailure, Exit, UsageError
from tests.bench.running import talked
from tests.bench.server import ADMITTED, serving

RATE = {"rate_limit": {"rate": "40/s", "burst": 5, "key": "header:X-Tenant"}}
QUOTA = {"quota": {"limit": 60, "per": "day", "key": "header:X-Tenant"}}
OPERATION = {"responses": {"200": {"description": "ok"}}}


def written(folder: Path, upstream: str, rate: str = "30/s") -> Path:
    """A project: one limit in the specification, one in apigw.yaml, a quota."""
    paths = {
        "/spec": {"get": {"operationId": "spec", "x-apigw": RATE, **OPERATION}},
        "/file": {"get": {"operationId": "file", **OPERATION}},
        "/quota": {"get": {"operationId": "quota", **OPERATION}},
    }
    info = {"title": "Limits", "version": "1"}
    (folder / "api.json").write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": paths}))
    limited = {"rate_limit": {"rate": rate, "burst": 5, "key": "header:X-Tenant"}}
    api = {"spec": "api.json", "upstream": "one", "routes": {"file": limited, "quota": QUOTA}}
    file = folder / "apigw.yaml"
    file.write_text(json.dumps({"version": 1, "apis": {"x": api}, "upstreams": {"one": {"targets": [upstream]}}}))
    return file


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """URL, admin URL and configuration of a gateway that runs, with a clock for tests."""
    folder = tmp_path_factory.mktemp("limits")
    with serving(lambda asked: ADMITTED) as server:
        file = written(folder, server.url.rstrip("/"))
        command = ["serve", "-c", str(file), "--workers", "1", "--host", HOST, "--port", "0", "--admin-port", "0"]
        command += ["--access-log", "off", "--no-watch", "--test-clock"]
        with running(command, {}, when_ready("x")) as log:
            port, admin = ports_in(log.read_text(encoding="utf-8"), "x")
            yield f"http://{HOST}:{port}", f"http://{HOST}:{admin}", file


def proved(url: str, **options: object) -> Result:
    wanted = {"duration": "900ms", "concurrency": 4, "headers": ("X-Tenant: me",), "verify_limits": True}
    return talked(url, **wanted | options)[0]


def verdicts(proof: Proof) -> dict[str, str]:
    return {check.name: check.verdict for check in proof.checks}


def test_the_specification_says_it_and_what_runs_agrees(gateway: tuple[str, str, Path]) -> None:
    url, _, file = gateway
    result = proved(f"{url}/spec", config=file)
    (proof,) = result.limits
    assert (proof.policy, Path(proof.declared_at.rpartition(":")[0]).name) == ("40/s burst 5", "api.json")
    assert verdicts(proof)["as declared"] == "pass", proof
    assert result.exit_code != Exit.BLOCKED, proof


def test_a_specification_alone_says_it(gateway: tuple[str, str, Path]) -> None:
    url, _, file = gateway
    result = proved(f"{url}/spec", spec=str(file.parent / "api.json"), limit=None)
    assert [proof.policy for proof in result.limits] == ["40/s burst 5"]
    assert result.exit_code != Exit.BLOCKED
    with pytest.raises(UsageError, match="exclude each other"):
        proved(f"{url}/spec", spec=str(file.parent / "api.json"), config=file)


def test_what_runs_says_it(gateway: tuple[str, str, Path]) -> None:
    url, admin, _ = gateway
    result = proved(f"{url}/file", admin=admin)
    (proof,) = result.limits
    assert (proof.policy, proof.declared_at) == ("30/s burst 5", admin)
    assert result.exit_code != Exit.BLOCKED, proof
    with pytest.raises(EnvironmentFailure, match="no gateway answers"):
        proved(f"{url}/file", admin="127.0.0.1:1")
    with pytest.raises(EnvironmentFailure, match="is no admin port"), serving(lambda asked: ADMITTED) as other:
        proved(f"{url}/file", admin=other.url)


def test_a_declaration_that_does_not_run_is_caught(gateway: tuple[str, str, Path], tmp_path: Path) -> None:
    url, admin, _ = gateway
    result = proved(f"{url}/file", config=written(tmp_path, "http://127.0.0.1:1", rate="31/s"), admin=admin)
    check = next(one for one in result.limits[0].checks if one.name == "as declared")
    assert (check.verdict, result.exit_code) == ("fail", Exit.BLOCKED)
    assert "declared 31/s burst 5 per header:X-Tenant, the gateway that runs" in check.detail
    assert check.detail.endswith("goes by 30/s burst 5 per header:X-Tenant")


def test_a_quota_is_proved_on_the_gateways_clock(gateway: tuple[str, str, Path]) -> None:
    url, admin, file = gateway
    result = proved(f"{url}/quota", admin=admin, config=file)
    (proof,) = result.limits
    assert verdicts(proof) == dict.fromkeys(["as declared", "exactly", "Retry-After", "not before", "reset"], "pass")
    assert (proof.policy, result.exit_code) == ("60 per day", Exit.OK)


def test_options_that_mean_nothing_are_refused(gateway: tuple[str, str, Path]) -> None:
    with pytest.raises(UsageError, match="--admin"):
        talked(gateway[0], admin=gateway[1])
    with pytest.raises(UsageError, match="exclude each other"):
        talked(gateway[0], admin=gateway[1], limit="5/s", verify_limits=True)
