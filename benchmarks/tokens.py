"""What checking a credential costs: a key, a token that is remembered, a token that is not, by algorithm.

    python benchmarks/tokens.py

Each figure is the fastest of five runs, in microseconds of one core, of the policy's step alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))

from apigw_cli.policies.auth import mint
from apigw_cli.snapshot.schemes import ApiKeys, Jwt
from tests.policies.exchange import Exchange, runtime, step_of

RUNS, CALLS = 5, 500


def fastest(call: Callable[[int], Any]) -> float:
    """Microseconds a call."""
    found = []
    for run in range(RUNS):
        began = time.perf_counter()
        for n in range(run * CALLS, (run + 1) * CALLS):
            call(n)
        found.append((time.perf_counter() - began) / CALLS * 1e6)
    return min(found)


def bearer(token: str) -> Exchange:
    return Exchange(headers=[(b"host", b"a"), (b"authorization", b"Bearer " + token.encode())])


def main() -> None:
    key = ApiKeys("Key", "header", "X-Api-Key", ("file:k",))
    made = runtime(key, files={"file:k": f"a: {{sha256: {sha256(b'k').hexdigest()}}}".encode()})
    step = step_of("auth", {"alternatives": [["Key"]]}, made)
    sent = Exchange(headers=[(b"host", b"a"), (b"x-api-key", b"k")])
    print(f"API key               {fastest(lambda _: step(sent)):8.2f} µs")
    for kind in mint.KINDS:
        tokens_of(kind)


def tokens_of(kind: str) -> None:
    private = mint.new_key(kind)
    scheme = Jwt("Login", "bearer", "", "https://login.example", ("shop",), "file:jwks.json")
    made = runtime(scheme, files={"file:jwks.json": orjson.dumps(mint.key_set(private))})
    step = step_of("auth", {"alternatives": [["Login"]]}, made)
    claims = {"iss": scheme.issuer, "aud": "shop", "exp": time.time() + 3600}
    tokens = [bearer(mint.mint(private, {**claims, "sub": str(n)})) for n in range(RUNS * CALLS)]
    print(f"{kind} verified        {fastest(lambda n: step(tokens[n])):8.2f} µs")
    print(f"{kind} remembered      {fastest(lambda _: step(tokens[-1])):8.2f} µs")
    assert all(sent.principal for sent in tokens)


if __name__ == "__main__":
    main()
