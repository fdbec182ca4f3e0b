"""A stored answer."""

from __future__ import annotations

from dataclasses import dataclass, field

OVERHEAD = 1024  # bytes that an entry takes beside what it holds


@dataclass(slots=True, eq=False)
class Entry:
    """One answer as it came, and what is known of how long it may be used.

    `lines` are its header lines as they go out again: without Age, framing and what belongs to a connection. Times
    are seconds since 1970; `since` is time.monotonic_ns() when it was asked for, by which purges go. `part` is
    (first, last, whole length) of a stored 206. `mark` is a hash of the URL it was stored for.
    """

    status: int
    reason: bytes
    lines: tuple[bytes, ...]
    body: bytes
    age: float  # when it came (RFC 9111, section 4.2.3: corrected_initial_age)
    received: float
    lifetime: float
    since: int = 0
    mark: int = 0
    stale_revalidate: float = 0  # seconds after its freshness that it may be used while it is fetched anew
    stale_error: float = 0  # … while its server fails
    strict: bool = False  # must-revalidate and its kin: never used stale
    no_cache: bool = False  # never used without asking
    date: int = 0
    etag: bytes | None = None
    modified: bytes | None = None
    vary: tuple[bytes, ...] = ()
    variant: tuple[bytes, ...] = ()
    part: tuple[int, int, int] | None = None
    tags: tuple[int, ...] = ()  # hashes
    at: int = 0  # where the store has it; 0: nowhere
    head: bytes = field(default=b"", repr=False)  # status line and lines, made once

    def __post_init__(self) -> None:
        self.head = b"HTTP/1.1 %d %b\r\n%b" % (self.status, self.reason, b"".join(self.lines))

    def current_age(self, now: float) -> float:
        """RFC 9111, section 4.2.3. A clock that is set back makes nothing younger."""
        return self.age + max(now - self.received, 0)

    def freshness(self, now: float) -> float:
        """Seconds that it is still fresh; less than 0: since when it is stale."""
        return self.lifetime - self.current_age(now)

    @property
    def size(self) -> int:
        """Bytes that it takes of a store's budget."""
        return OVERHEAD + 2 * len(self.head) + len(self.body) + sum(map(len, self.variant)) + 16 * len(self.tags)
