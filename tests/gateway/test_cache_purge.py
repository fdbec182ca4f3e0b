"""`apigw cache purge` and the admin port against a gateway of two workers."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apigw_cli.caching.purges import Purges
from apigw_cli.errors import InputError
from apigw_cli.gateway import purging
from tests.gateway.conftest import Start

CONFIG = """
version: 1
apis: {any: {spec: any.json, mock: true, defaults: {cache: {mode: ttl, ttl: 1h}}}}
"""
ANSWER = {"200": {"description": "ok", "content": {"application/json": {"example": {"a": 1}}}}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {path: {"get": {"responses": ANSWER}} for path in ("/a", "/b")},
}


def asked(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.getheader("Cache-Status") or ""


def all_hit(port: int, path: str) -> None:
    """Ask until every worker has it: from then on nobody misses."""
    in_a_row = 0
    for _ in range(200):
        in_a_row = in_a_row + 1 if "hit" in asked(port, path) else 0
        if in_a_row == 12:
            return
    raise AssertionError("never all of them")


def command(folder: Path, *arguments: str) -> tuple[int, str, str]:
    words = [sys.executable, "-m", "apigw_cli.cli.app", "cache", "purge", *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_purge_reaches_all_workers(tmp_path: Path, start: Start) -> None:
    (tmp_path / "any.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "apigw.yaml").write_text(CONFIG)
    gateway = start("--workers", "2")
    for path in ("/a", "/b"):
        all_hit(gateway.port, path)
    url = f"http://127.0.0.1:{gateway.port}/a?whatever"
    assert command(gateway.folder, "--url", url, "--format", "json")[:2] == (0, '{"purged":1}\n')
    assert "fwd=uri-miss" in asked(gateway.port, "/a")
    assert "hit" in asked(gateway.port, "/b")
    code, said, _ = command(gateway.folder, "--all")
    assert (code, "purged everything" in said) == (0, True)
    assert "fwd=uri-miss" in asked(gateway.port, "/b")
    code, _, complaint = command(gateway.folder, "--url", "nonsense")
    assert (code, "is no URL" in complaint) == (1, True)
    code, _, complaint = command(gateway.folder)
    assert (code, "--tag TAG" in complaint) == (2, True)


NO_ORDERS = [None, [], {}, {"all": True, "tags": ["a"]}, {"urls": "x"}, {"urls": [1]}, {"no": 1}, {"all": False}]


@pytest.mark.parametrize("data", [*NO_ORDERS, {"tags": ["a"] * 1001}])
def test_what_is_no_order_is_refused(data: Any) -> None:
    with pytest.raises(InputError):
        purging.read(data)


@pytest.mark.parametrize(
    "order",
    [{"urls": ["/a"]}, {"urls": ["http://h/%zz"]}, {"tags": ["a b"]}, {"tags": [""]}, {"urls": ["http://h/\u00e4"]}],
)
def test_what_cannot_be_purged_purges_nothing(order: dict[str, Any]) -> None:
    purges = Purges.alone()
    with pytest.raises(InputError):
        purging.carry_out(purging.read({"urls": [], **order, "tags": ["fine", *order.get("tags", [])]}), purges)
    assert not any(purges.memory.words)
