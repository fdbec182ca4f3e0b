"""Does the proof of limits catch every broken limiter, and never a right one? So many runs of each.

    python benchmarks/limit_proofs.py --runs 50

Limiters in a small server of the tests, and nginx's `limit_req` where it is installed. A right one must never fail,
a broken one always, and by the check that is meant for it. Exits 4 where that is not so.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from apigw_cli.bench.proof import Proof
from tests.bench import test_other_gateways as others
from tests.bench.running import talked
from tests.bench.server import Asked, Bucket, FixedWindow, PerWorker, Shared, Telling, serving


@dataclass(frozen=True)
class Case:
    """A limiter, what is declared of it, and which check must fail: '' for a right one."""

    name: str
    serve: Callable[[], object]
    limit: str
    fails: str
    duration: str = "1500ms"
    rate: float | None = None
    headers: tuple[str, ...] = ("X-Tenant: loud",)


@contextmanager
def ours(make: Callable[[], Callable[[Asked], bytes]]) -> Iterator[str]:
    with serving(make()) as server:
        yield server.url


@contextmanager
def nginx(key: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, others.nginx(Path(folder), key) as url:
        yield url


class Apart:
    """One bucket for each tenant."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def __call__(self, asked: Asked) -> bytes:
        return self._buckets.setdefault(asked.headers["x-tenant"], Bucket("20/s", 5))(asked)


TENANT = "20/s burst 5 key=header:X-Tenant"
CASES = [
    Case("right: a bucket for each key", lambda: ours(Apart), TENANT, ""),
    Case("right: tells the truth", lambda: ours(lambda: Telling("5/s", 5)), "5/s burst 5", ""),
    Case(
        "broken: a bucket in each process", lambda: ours(lambda: PerWorker("50/s", 10)), "50/s burst 10", "never above"
    ),
    Case("broken: off by one", lambda: ours(lambda: Bucket("50/s", 11)), "50/s burst 10", "never above"),
    Case("broken: fixed window", lambda: ours(lambda: FixedWindow(20)), "20/s burst 20", "never above"),
    Case("broken: half of the rate", lambda: ours(lambda: Bucket("25/s", 10)), "50/s burst 10", "never below"),
    Case("broken: shared with others", lambda: ours(lambda: Shared("50/s", 10)), "50/s burst 10", "never below"),
    Case("broken: one bucket for all keys", lambda: ours(lambda: Bucket("20/s", 5)), TENANT, "isolation"),
    Case(
        "broken: Retry-After too short",
        lambda: ours(lambda: Telling("0.4/s", 3, retry_after="1")),
        "0.4/s burst 3",
        "Retry-After",
        duration="4s",
        rate=100.0,
    ),
    Case(
        "broken: Retry-After too long",
        lambda: ours(lambda: Telling("2/s", 3, retry_after="3")),
        "2/s burst 3",
        "Retry-After",
        duration="4s",
        rate=100.0,
    ),
    Case("broken: says one too many", lambda: ours(lambda: Telling("5/s", 5, lie=1)), "5/s burst 5", "headers"),
]
if others.NGINX is not None:
    CASES += [
        Case("right: nginx", lambda: nginx("$http_x_tenant"), TENANT, ""),
        Case(
            "broken: nginx, burst of 5 for 3", lambda: nginx("$http_x_tenant"), TENANT.replace("5", "3"), "never above"
        ),
        Case("broken: nginx, one bucket for all keys", lambda: nginx("$server_port"), TENANT, "isolation"),
    ]


def proved(case: Case) -> Proof:
    with case.serve() as url:  # type: ignore[attr-defined]
        options = {"duration": case.duration, "concurrency": 4, "headers": case.headers, "rate": case.rate}
        result, _ = talked(url, limit=case.limit, **options)
    return result.limits[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    wrong = 0
    figures = []
    for case in (case for case in CASES if options.only in case.name):
        seen: Counter[str] = Counter()
        for _ in range(options.runs):
            proof = proved(case)
            verdicts = {check.name: check.verdict for check in proof.checks}
            right = proof.verdict == "pass" if not case.fails else verdicts[case.fails] == "fail"
            seen["as it must be" if right else f"{proof.verdict}: {verdicts}"] += 1
            wrong += not right
        print(f"{case.name:<42}{seen['as it must be']:>4} of {options.runs}", flush=True)
        for words, count in seen.items():
            if words != "as it must be":
                print(f"    {count} x {words}", flush=True)
        figures.append({"case": case.name, "fails": case.fails, "seen": dict(seen)})
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 4 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
