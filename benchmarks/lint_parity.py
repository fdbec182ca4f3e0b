"""Are the findings of `apigw lint --ruleset spectral:oas` those of Spectral? On any files, broken ones included.

    npm install --prefix peers @stoplight/spectral-cli
    python benchmarks/lint_parity.py --spectral peers/node_modules/.bin/spectral petstore.yaml stripe.json

Findings are one where code and path are; of those that both have, messages and ranges are compared too. The last lines
are recall (what share of Spectral's findings we have), precision (what share of ours it has) and the share of messages
and ranges that are the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

RULESET = "extends: [[spectral:oas, recommended]]\n"
Finding = dict[str, Any]


def said(command: list[str], seconds: float) -> list[Finding]:
    """What a linter prints as JSON; nothing is an empty list."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    start = done.stdout.find("[")
    if start < 0:
        if done.stderr.strip():
            print(done.stderr.strip()[-500:], file=sys.stderr)
        return []
    found: list[Finding] = json.JSONDecoder().raw_decode(done.stdout[start:])[0]
    return found


def identity(finding: Finding) -> str:
    return f"{finding['code']} at {'/'.join(map(str, finding['path']))}"


def compared(theirs: list[Finding], ours: list[Finding]) -> Counter[str]:
    """How many findings each has, how many both, and of these how many with the same message and range."""
    waiting: dict[str, list[Finding]] = defaultdict(list)
    for finding in theirs:
        waiting[identity(finding)].append(finding)
    counts = Counter(spectral=len(theirs), apigw=len(ours), shared=0, message=0, range=0)
    for finding in ours:
        twins = waiting[identity(finding)]
        if twins:
            twin = next((one for one in twins if one["message"] == finding["message"]), twins[0])
            twins.remove(twin)
            counts["shared"] += 1
            counts["message"] += twin["message"] == finding["message"]
            counts["range"] += twin["range"] == finding["range"]
    return counts


def differing(theirs: list[Finding], ours: list[Finding]) -> list[str]:
    """The findings of only one of them."""
    a, b = Counter(map(identity, theirs)), Counter(map(identity, ours))
    return [f"only Spectral: {one}" for one in (a - b)] + [f"only apigw: {one}" for one in (b - a)]


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("files", nargs="+", type=Path)
    cli.add_argument("--spectral", default="spectral", help="the program")
    cli.add_argument("--show", type=int, default=5, help="differing findings to show of each file")
    cli.add_argument("--timeout", type=float, default=600.0, help="seconds, of one run")
    options = cli.parse_args()
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        ruleset = Path(folder) / "ruleset.yaml"
        ruleset.write_text(RULESET)
        for file in options.files:
            spectral = [options.spectral, "lint", "-q", "-f", "json", "-r", str(ruleset), str(file)]
            mine = ["lint", "--no-cache", "--ruleset", "spectral:oas", "--format", "json", str(file)]
            theirs = said(spectral, options.timeout)
            ours = said([sys.executable, "-m", "apigw_cli.cli.app", *mine], options.timeout)
            counts = compared(theirs, ours)
            total += counts
            print(f"{file.name:30} " + "  ".join(f"{name} {number:,}" for name, number in counts.items()))
            for line in differing(theirs, ours)[: options.show]:
                print(f"    {line}")
    shared = max(1, total["shared"])
    recall, precision = (total["shared"] / max(1, total[name]) for name in ("spectral", "apigw"))
    print(f"recall {recall:.4f}  precision {precision:.4f}")
    print(f"same message {total['message'] / shared:.4f}  same range {total['range'] / shared:.4f}")


if __name__ == "__main__":
    main()
