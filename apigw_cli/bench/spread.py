"""Numbers of workers and requests as typed, and totals divided over workers: nothing is multiplied, nothing lost."""

from __future__ import annotations

import re

from apigw_cli.errors import UsageError

_NUMBERS = re.compile(r"[0-9]{1,6}(,[0-9]{1,6})*")


def numbers(flag: str, text: str, most: int) -> tuple[int, ...]:
    """`1,2,4` as numbers from 1 to `most`, ascending, each once. Raises UsageError."""
    tidy = text.replace(" ", "")
    found = sorted({int(one) for one in tidy.split(",")}) if _NUMBERS.fullmatch(tidy) else []
    if not found:
        raise UsageError(f"{flag} {text}: that is no number", hint=f"{flag} 2, or with --sweep {flag} 1,2,4")
    for one in found:
        if not 1 <= one <= most:
            raise UsageError(f"{flag}: {one} is not between 1 and {most:,}")
    return tuple(found)


def number(flag: str, text: str | None, most: int, otherwise: int) -> int:
    """The one number of a run; `otherwise` where none was given. Raises UsageError."""
    if text is None:
        return otherwise
    found = numbers(flag, text, most)
    if len(found) > 1 or "," in text:
        raise UsageError(f"{flag} {text}: several values are for a grid", hint="add --sweep")
    return found[0]


def spread(total: int, workers: int) -> list[int]:
    """`total` as one whole number for each worker, the remainder one each to the first: 32 over 3 is 11, 11, 10."""
    share, rest = divmod(total, workers)
    return [share + (number < rest) for number in range(workers)]


def parts_of(total: int, weights: list[int], least: int = 1) -> list[int]:
    """`total` by weight as whole numbers, each at least `least`; the largest remainders are rounded up (Hamilton).

    32 by 3 and 1 is 24 and 8.
    """
    free = total - least * len(weights)
    exact = [max(0.0, total * weight / sum(weights) - least) for weight in weights]
    scale = free / sum(exact) if sum(exact) else 0.0
    parts = [int(part * scale) for part in exact]
    order = sorted(range(len(parts)), key=lambda n: parts[n] - exact[n] * scale)
    for number in order[: free - sum(parts)]:
        parts[number] += 1
    return [part + least for part in parts]


def in_words(shares: list[int]) -> str:
    """`16` where all are equal, else `11/11/10`; of more than eight only the two sizes."""
    if len(set(shares)) == 1:
        return str(shares[0])
    if len(shares) > 8:
        return f"{max(shares)} or {min(shares)}"
    return "/".join(map(str, shares))
