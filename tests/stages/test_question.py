"""With a person at a terminal: `promote` asks, and only yes is yes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from tests.stages.conftest import Apigw, Shop

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals as POSIX has them")


def ask(shop: Shop, answer: bytes, *words: str) -> tuple[int, str]:
    """Run a command at a pseudo-terminal, type `answer`, and return its exit code and what it printed."""
    import pty

    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        process = subprocess.Popen(
            [sys.executable, "-m", "apigw_cli.cli.app", *words],
            cwd=shop.root,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        out, _ = process.communicate(timeout=60)
        os.set_blocking(ours, False)
        with contextlib.suppress(BlockingIOError):  # nothing was asked
            out += os.read(ours, 4096).decode(errors="replace")
        return process.returncode, out
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"YES\n", 0), (b"n\n", 4), (b"\n", 4), (b"\x04", 4)])
def test_promote(shop: Shop, answer: bytes, code: int) -> None:
    found, text = ask(shop, answer, "promote", "qa", "prod")
    assert (found, bool(shop.pointers)) == (code, code == 0), text
    assert "Promote? [y/N]" in text
    assert ("nothing was changed" in text) is (code != 0)


def test_deploy_past_the_gates(shop: Shop) -> None:
    code, text = ask(shop, b"n\n", "deploy", "prod")
    assert (code, shop.pointers) == (4, {})
    assert "deploying passes their gates by" in text


def test_rollback(shop: Shop, apigw: Apigw) -> None:
    for rate in ("5", "4"):
        shop.edit("apigw.yaml", "rate: 5/s", f"rate: {rate}/s")
        assert apigw("deploy", "qa").code == 0
    assert ask(shop, b"n\n", "rollback", "qa")[0] == 4
    assert ask(shop, b"y\n", "rollback", "qa")[0] == 0
    assert shop.audit[-1]["action"] == "rollback"
