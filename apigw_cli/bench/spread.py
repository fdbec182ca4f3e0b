"""Totals divided over workers: nothing is multiplied, and no remainder is lost."""

from __future__ import annotations


def spread(total: int, workers: int) -> list[int]:
    """`total` as one whole number for each worker, the remainder one each to the first: 32 over 3 is 11, 11, 10."""
    share, rest = divmod(total, workers)
    return [share + (number < rest) for number in range(workers)]


def in_words(shares: list[int]) -> str:
    """`16` where all are equal, else `11/11/10`; of more than eight only the two sizes."""
    if len(set(shares)) == 1:
        return str(shares[0])
    if len(shares) > 8:
        return f"{max(shares)} or {min(shares)}"
    return "/".join(map(str, shares))
