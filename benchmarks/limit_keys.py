#!/usr/bin/env python3
"""What a key of the limiter costs: memory and time, with a million keys that all owe, and how many found no room.

    python benchmarks/limit_keys.py --keys 1000000

Memory is what the table's file in memory takes (st_blocks: pages that were written), not its address space.
"""

from __future__ import annotations

import argparse
import os
import time

from apigw_cli.limits.bucket import Limit
from apigw_cli.limits.rate import parse
from apigw_cli.limits.store import CAPACITY, SharedStore


def measure(keys: int, capacity: int) -> None:
    store, limit = SharedStore.create(capacity), Limit("a route", parse("1/h"), 1)
    began, now = time.perf_counter(), time.monotonic_ns()
    for number in range(keys):
        store.take(b"key %d" % number, limit, now)
    seconds = time.perf_counter() - began
    size = os.fstat(store.fd).st_blocks * 512
    print(
        f"room for {capacity:,}: {keys:,} keys owe, {size / keys:.1f} bytes each ({size / 2**20:.1f} MiB), "
        f"{seconds / keys * 1e6:.1f} µs a new key, {store.full:,} found no room ({store.full / keys:.2%})"
    )
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    keys = parser.parse_args().keys
    measure(keys, CAPACITY)
    measure(keys, 2 * CAPACITY)


if __name__ == "__main__":
    main()
