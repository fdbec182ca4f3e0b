"""What answers tell of a limit, and whether it is the truth.

    RateLimit: "default";r=3;t=1 · RateLimit-Policy: "default";q=5;w=1   draft-ietf-httpapi-ratelimit-headers
    RateLimit: limit=5, remaining=3, reset=1                             its seventh version
    RateLimit-Remaining, X-RateLimit-Remaining, X-Rate-Limit-Remaining   as many services have them

The truth is tested on the answers that a lone client got one after the other. Tokens only come back meanwhile, so
what was said to remain must still be there for the next request; and no more may be let through than that and what
comes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.lone import Answer
from apigw_cli.bench.plan import SECOND
from apigw_cli.bench.retry_after import LIMITED

_PREFIXES = ("ratelimit", "x-ratelimit", "x-rate-limit")
_PARAMETER = re.compile(r"(?:^|[;,\s])(q|w|r|t|limit|remaining|reset)=(-?[0-9]{1,15})")
_NUMBER = re.compile(r"\s*(-?[0-9]{1,15})(?:\s*[,;].*)?")


@dataclass(frozen=True, slots=True)
class Told:
    """What one answer says; None where it does not."""

    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None


def told(headers: Mapping[str, str]) -> Told | None:
    """What an answer says of its limit; of several the one with least left. None where it says nothing."""
    state = _parameters(headers.get("ratelimit", ""))
    policy = _parameters(headers.get("ratelimit-policy", ""))
    limits = [*policy.get("q", []), *state.get("limit", []), *_numbers(headers, "limit")]
    remaining = [*state.get("r", []), *state.get("remaining", []), *_numbers(headers, "remaining")]
    resets = [*state.get("t", []), *state.get("reset", []), *_numbers(headers, "reset")]
    if not (limits or remaining or resets):
        return None
    return Told(*(min(values, default=None) for values in (limits, remaining, resets)))


def _parameters(value: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, number in _PARAMETER.findall(re.sub(r'"[^"]*"', "", value)):
        found.setdefault(name, []).append(int(number))
    return found


def _numbers(headers: Mapping[str, str], name: str) -> list[int]:
    matches = (_NUMBER.fullmatch(headers.get(f"{prefix}-{name}", "")) for prefix in _PREFIXES)
    return [int(match[1]) for match in matches if match is not None]


def untruth(sequence: Sequence[Answer], layers: Sequence[Declared]) -> str | None:
    """What is wrong in the answers of a lone client, in words; None where nothing is."""
    said = [told(answer.headers) for answer in sequence]
    return next(_untruths(sequence, said, layers), None)


def _untruths(sequence: Sequence[Answer], said: Sequence[Told | None], layers: Sequence[Declared]) -> Iterator[str]:
    known = {number for one in layers for number in (one.burst, int(one.rate.count), *one.beside)}
    policy = " and ".join(layer.policy for layer in layers)
    for answer, one in zip(sequence, said, strict=True):
        if one is None:
            continue
        if any(value is not None and value < 0 for value in (one.limit, one.remaining, one.reset)):
            yield f"a negative number: {_in_words(answer)}"
        if one.limit is not None and one.limit not in known:
            yield f"the limit is said to be {one.limit}, declared is {policy}"
        if answer.status == LIMITED and one.remaining:
            yield f"a refusal that says {one.remaining} remain"
    for number, one in enumerate(said[:-1]):
        if one is not None and one.remaining is not None:
            yield from _after(one.remaining, number, sequence, said, layers)


def _after(
    remaining: int, number: int, sequence: Sequence[Answer], said: Sequence[Told | None], layers: Sequence[Declared]
) -> Iterator[str]:
    """What contradicts `remaining`, said in answer `number`, in those after it."""
    following, next_said = sequence[number + 1], said[number + 1]
    if remaining and following.status == LIMITED:
        yield f"{remaining} were said to remain, and the next request was refused"
    if next_said is not None and next_said.remaining is not None and next_said.remaining < remaining - 1:
        yield f"one request took {remaining - next_said.remaining} of what was said to remain"
    passed, most = 0, max(layer.burst for layer in layers)
    for answer in sequence[number + 1 :]:
        passed += 200 <= answer.status < 400
        come_back = max(layer.back_in(answer.received - sequence[number].sent) for layer in layers)
        if passed > remaining + 1 + come_back:
            length = _seconds(sequence[number], answer)
            yield f"{remaining} were said to remain, and {passed} were let through in {length}"
            return
        if come_back > most:
            return


def _seconds(first: Answer, last: Answer) -> str:
    return f"{(last.received - first.sent) / SECOND:.3g} s"


def _in_words(answer: Answer) -> str:
    return ", ".join(f"{name}: {value}" for name, value in answer.headers.items() if name.startswith(_PREFIXES))[:120]
