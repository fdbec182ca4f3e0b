"""The tour: it proves, blocks and promotes for real, ends with 0 and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_the_tour_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "apigw_cli.cli.app", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ createPet: the limit holds" in done.stdout
    assert re.search(r"✗ weakens\s+createPet\s+limit 5/s burst 5 per api_key → 50/s burst 5 per api_key", done.stdout)
    assert "nothing was changed" in done.stdout
    assert "✓ prod runs" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
    assert not running_below(tmp_path)


def running_below(folder: Path) -> list[str]:
    """Processes that still work in `folder` (Linux; elsewhere none is found)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in str((process / "cwd").readlink()):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
