"""What a stored `tat` is measured with, as one 64-bit word beside it; and how much of its limit it says is used.

    bucket           its capacity in nanoseconds; with FROZEN in requests, and nothing refills
    window           WINDOW, SLIDING or not, the unit's length (an index), and how many requests it holds
    TORN             nobody knows: a process died between two writes

A fixed window's `tat` is its end plus the count. A sliding window's is the end of the window after it plus
`before * (size + 1) + count`, what was counted in the window before and in this one. Both are above any clock as
long as they matter, and free to be overwritten afterwards, as a bucket's is.
"""

from __future__ import annotations

FROZEN = 1 << 62
TORN = 1 << 63
WINDOW = FROZEN | 1 << 61  # no capacity reaches into these two bits at once
_SLIDING = 1 << 60
_LENGTH = 56  # where the index of the unit's length stands
_SIZE = (1 << _LENGTH) - 1

LENGTHS = (1_000_000_000, 60_000_000_000, 3_600_000_000_000, 86_400_000_000_000)


def of_window(length: int, size: int, *, sliding: bool) -> int:
    """The kind of a window `length` nanoseconds long (one of LENGTHS) that holds `size` requests."""
    return WINDOW | (_SLIDING if sliding else 0) | LENGTHS.index(length) << _LENGTH | size


def used(tat: int, kind: int, now: int) -> tuple[int, int]:
    """How much of its limit a key has used at `now`: so many of so many. Rounded up, never down."""
    if kind == TORN:
        return 1, 1
    if kind & WINDOW == WINDOW:
        size, length = kind & _SIZE, LENGTHS[kind >> _LENGTH & 3]
        if kind & _SLIDING:
            _, before, count = slid(tat, length, size, now)
            elapsed = now % length
            return min(size, count - (-before * (length - elapsed) // length)), size
        return counted(tat, length, now)[1], size
    frozen, capacity = kind & FROZEN, kind & ~FROZEN
    return min(max(tat - (FROZEN if frozen else now), 0), capacity), capacity


def counted(tat: int, length: int, now: int) -> tuple[int, int]:
    """End and count of the fixed window at `now`. A clock that stepped back stays in the window that was reached."""
    end = (now // length + 1) * length
    stored = (tat - 1) // length * length
    if tat and stored > now:
        return max(stored, end), tat - stored
    return end, 0


def slid(tat: int, length: int, size: int, now: int) -> tuple[int, int, int]:
    """End of the sliding window at `now`, what was counted in the one before it, and in it."""
    end = (now // length + 1) * length
    if not tat:
        return end, 0, 0
    after = (tat - 1) // length * length
    before, count = divmod(tat - after, size + 1)
    stored = after - length
    if stored >= end:
        return stored, before, count
    if stored == end - length:
        return end, count, 0
    return end, 0, 0
