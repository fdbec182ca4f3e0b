"""Does the proof of limits catch every broken limiter, and never a right one? So many runs of each.

    python benchmarks/limit_proofs.py --runs 50

Limiters in a small server of the tests; nginx, haproxy and Envoy where they are installed. For each case it counts

    right     a right one passed, or a broken one failed by the check that is meant for it
    false     FALSE ALARM: a right one failed, or a broken one by that check's contrary: the proof is unsound
    missed    a broken one passed
    unsure    inconclusive (exit 7): the client, or the machine, was too slow to know

Several runs go on at a time (`--jobs`), each in a process of its own: most of one is waiting. Exits 4 for a false
alarm or a miss.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.bench import engines
from tests.bench.running import talked
from tests.bench.server import Asked, Bucket, FixedWindow, Layered, PerWorker, Shared, Telling, serving

Url = AbstractContextManager[str]


@dataclass(frozen=True)
class Case:
    """A limiter, what is declared of it, and which check must fail: '' for a right one."""

    name: str
    serve: Callable[[], Url]
    limit: str
    fails: str
    duration: str = "1200ms"
    rate: float | None = 300.0


def ours(make: Callable[[], Callable[[Asked], bytes]]) -> Callable[[], Url]:
    @contextmanager
    def serve() -> Iterator[str]:
        with serving(make()) as server:
            yield server.url

    return serve


def theirs(engine: Callable[[Path], Url]) -> Callable[[], Url]:
    @contextmanager
    def serve() -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder, engine(Path(folder)) as url:
            yield url

    return serve


OF = " key=header:X-Tenant"
TENANT, LEAKY, SLIDING = f"20/s burst 5{OF}", f"20/s leaky burst 4{OF}", f"20/s sliding_window{OF}"
LAYERS = f"40/s burst 5 and 20/s burst 10{OF}"
RIGHT = [
    Case("token bucket, a bucket for each key", ours(lambda: Layered("20/s burst 5")), TENANT, ""),
    Case("token bucket that tells the truth", ours(lambda: Telling("5/s", 5)), "5/s burst 5", "", "2600ms"),
    Case("leaky bucket", ours(lambda: Layered("20/s leaky burst 4")), LEAKY, ""),
    Case("sliding window", ours(lambda: Layered("20/s sliding_window")), SLIDING, "", "2600ms"),
    Case("fixed window", ours(lambda: Layered("20/s fixed_window")), f"20/s fixed_window{OF}", "", "2600ms"),
    Case("two layers", ours(lambda: Layered("40/s burst 5 and 20/s burst 10")), LAYERS, ""),
]
BROKEN = [
    # As fast as it goes: an open model that needs only one connection would only ever ask one worker.
    Case("a bucket in each of two", ours(lambda: PerWorker("50/s", 10)), "50/s burst 10", "never above", rate=None),
    Case("off by one", ours(lambda: Bucket("50/s", 11)), "50/s burst 10", "never above"),
    Case("one too few at once", ours(lambda: Bucket("50/s", 9)), "50/s burst 10", "never below"),
    Case("fixed window sold as a bucket", ours(lambda: FixedWindow(20)), "20/s burst 20", "never above", "1500ms"),
    Case("fixed window sold as sliding", ours(lambda: FixedWindow(20)), "20/s sliding_window", "never above", "1500ms"),
    Case("fixed window of one too many", ours(lambda: FixedWindow(21)), "20/s fixed_window", "never above", "2600ms"),
    Case("half of the rate", ours(lambda: Bucket("25/s", 10)), "50/s burst 10", "never below"),
    Case("a token taken by somebody else", ours(lambda: Shared("50/s", 10)), "50/s burst 10", "never below"),
    Case("the second layer is missing", ours(lambda: Layered("40/s burst 5")), LAYERS, "never above"),
    Case("one bucket for all keys", ours(lambda: Bucket("20/s", 5)), TENANT, "isolation"),
    Case("one bucket for all keys (fairness)", ours(lambda: Bucket("20/s", 5)), TENANT, "fairness"),
    Case("one key gets half", ours(lambda: Layered("20/s burst 5", starved="-2")), TENANT, "fairness"),
    Case(
        "Retry-After too short",
        ours(lambda: Telling("0.05/s", 3, retry_after="1")),
        "0.05/s burst 3",
        "Retry-After",
        "2600ms",
    ),
    Case(
        "Retry-After too long", ours(lambda: Telling("5/s", 3, retry_after="2")), "5/s burst 3", "Retry-After", "2600ms"
    ),
    Case("Retry-After: 0", ours(lambda: Telling("5/s", 3, retry_after="0")), "5/s burst 3", "Retry-After"),
    Case("says that one more remains", ours(lambda: Telling("5/s", 5, lie=1)), "5/s burst 5", "headers"),
    Case("says that fewer remain", ours(lambda: Telling("5/s", 5, lie=-5)), "5/s burst 5", "headers"),
]
if engines.NGINX is not None:
    by_tenant = theirs(lambda folder: engines.nginx(folder, "$http_x_tenant"))
    RIGHT.append(Case("nginx limit_req", by_tenant, LEAKY, ""))
    BROKEN += [
        Case("nginx, burst of 5 for 3", by_tenant, f"20/s burst 3{OF}", "never above"),
        Case("nginx, half of the rate", by_tenant, f"40/s burst 5{OF}", "never below"),
        Case("nginx, one for all", theirs(lambda f: engines.nginx(f, "$server_port")), LEAKY, "isolation"),
    ]
if engines.HAPROXY is not None:
    RIGHT.append(Case("haproxy stick table", theirs(engines.haproxy), SLIDING, "", "2600ms"))
    BROKEN += [
        Case("haproxy, by address", theirs(lambda f: engines.haproxy(f, "src")), SLIDING, "fairness"),
        Case(
            "haproxy, refusals count",
            theirs(lambda f: engines.haproxy(f, counter=engines.ASKED)),
            SLIDING,
            "never below",
            "2600ms",
        ),
    ]
if engines.ENVOY is not None:
    RIGHT.append(Case("Envoy local_ratelimit", theirs(engines.envoy), "20/s burst 5", ""))
    each = theirs(lambda folder: engines.envoy(folder, each_connection=True))
    BROKEN.append(Case("Envoy, for each connection", each, "20/s burst 5", "never above", rate=None))
CASES = {f"right: {case.name}": case for case in RIGHT} | {f"broken: {case.name}": case for case in BROKEN}


def outcome(name: str) -> tuple[str, str, str]:
    """One run of a case: its name, how it came out, and what was said where that is not right."""
    case = CASES[name]
    with case.serve() as url:
        wanted = {"duration": case.duration, "concurrency": 4, "rate": case.rate, "headers": ("X-Tenant: loud",)}
        result, _ = talked(url, limit=case.limit, **wanted)
    checks = [check for proof in result.limits for check in proof.checks]
    verdict = max((proof.verdict for proof in result.limits), key=("pass", "inconclusive", "fail").index)
    failed = {check.name for check in checks if check.verdict == "fail"}
    if verdict == "fail":
        kind = "right" if case.fails and (case.fails in failed) else "false" if not case.fails else "other check"
    elif verdict == "inconclusive":
        kind = "unsure"
    else:
        kind = "missed" if case.fails else "right"
    if kind == "right":
        return name, kind, ""
    return name, kind, " | ".join(f"{c.name}: {c.verdict}: {c.detail}" for c in checks if c.verdict not in ("n/a",))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=6, help="runs at a time")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    names = [name for name in CASES if options.only in name]
    seen: dict[str, Counter[str]] = {name: Counter() for name in names}
    began = time.monotonic()
    ignoring = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process, which prints what there was
    with multiprocessing.get_context("fork").Pool(options.jobs, signal.signal, ignoring, 20) as pool:
        try:
            for name, kind, words in pool.imap_unordered(outcome, names * options.runs):
                seen[name][kind] += 1
                if words:
                    print(f"    {kind}: {name}: {words}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("interrupted: this is what there was", file=sys.stderr)
    print(f"{'case':<48}{'right':>8}{'false':>8}{'missed':>8}{'other':>8}{'unsure':>8}")
    for name, counts in seen.items():
        kinds = ("right", "false", "missed", "other check", "unsure")
        print(f"{name:<48}" + "".join(f"{counts[kind]:>8}" for kind in kinds))
    total = sum(seen.values(), Counter[str]())
    print(f"{sum(total.values()):,} runs in {time.monotonic() - began:.0f} s: {dict(total)}")
    if options.json:
        options.json.write_text(json.dumps({name: dict(counts) for name, counts in seen.items()}, indent=2) + "\n")
    return 4 if total["false"] or total["missed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
