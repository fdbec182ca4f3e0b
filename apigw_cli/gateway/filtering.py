"""An answer on its way through its route's filters (`policies/answer_filter.py`) to the client.

    head ─▶ filter ─▶ … ─▶ begun: parts pass through what filters put in their way, and out
              └▶ held: parts are kept ─ end ─▶ decided: on with the next filter, then as above

Nothing goes out while an answer is held, so that another may still take its place. One taker sees one answer after
the other where a request is sent again: a new head forgets the old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.gateway.passing import Writer
from apigw_cli.policies.answer_filter import AnswerFilter, Body, Flowing, Head, Held, Unfit, name_of, withheld

if TYPE_CHECKING:
    from apigw_cli.gateway.handlers import Handler
    from apigw_cli.gateway.request import Header, Request


class Filtering:
    """A taker: see the module's docstring. `refused`: a filter has put an answer of the gateway's own in its place."""

    __slots__ = (
        "_at",
        "_bodies",
        "_filters",
        "_held",
        "_kept",
        "_own",
        "_size",
        "_untouched",
        "_writer",
        "refused",
        "request",
    )

    def __init__(self, request: Request, filters: tuple[AnswerFilter, ...]) -> None:
        self.request = request
        self._filters = filters
        self._writer = Writer(request)
        self._reset()

    def _reset(self) -> None:
        self._bodies: list[Body] = []
        self._held: Held | None = None
        self._kept: list[bytes] = []
        self._size = 0
        self._at = 0  # the filter to go on with
        self._untouched = True  # the body goes out as it came
        self._own = False  # the answer was the gateway's own before any filter saw it
        self.refused = False

    # --- taker

    def interim(self, data: bytes) -> None:
        names = withheld(self._filters)
        if names:
            data = b"".join(line for line in data.splitlines(keepends=True) if name_of(line) not in names)
        self._writer.interim(data)

    def head(self, head: Head, more: bytes = b"") -> None:
        """`more`: further header lines."""
        self._reset()
        self._own = head.own
        ours = b"".join((more, *self.request.answer_extra)).splitlines(keepends=True)
        self._go_on(Head(head.status, head.reason, [*head.lines, *ours], head.length, head.own), 0)

    def part(self, data: bytes) -> None:
        self._out(self._through(data))

    def flush(self) -> None:
        if self._bodies:
            waiting = b""
            for body in self._bodies:
                waiting = (body.part(waiting) if waiting else b"") + body.flush()
            self._out(waiting)
        self._writer.flush()

    def end(self, trailers: list[Header] | None, sound: bool) -> None:
        self._out(self._last())
        while self._held is not None:
            held, data = self._held, b"".join(self._kept)
            self._held, self._kept, self._size, self._bodies = None, [], 0, []
            head, data = held.decide(data)
            self._go_on(head, self._at)
            self._out(self._through(data))
            self._out(self._last())
        if trailers:
            names = withheld(self._filters)
            trailers = [one for one in trailers if one[0] not in names] if self._untouched else None
        self._writer.end(trailers, sound)

    # --- the way

    def _go_on(self, head: Head, at: int) -> None:
        for index in range(at, len(self._filters)):
            outcome = self._filters[index](self.request, head)
            if isinstance(outcome, Head):
                head = outcome
                continue
            if isinstance(outcome, Flowing):
                head = outcome.head
                self._untouched = self._untouched and not outcome.changes
                self._bodies.append(outcome.body)
            else:
                self._untouched = False
                self._held, self._at = outcome, index + 1
                return
        self.refused = head.own and not self._own
        self._writer.begin(head, b"".join(head.lines))

    def _through(self, data: bytes) -> bytes:
        for body in self._bodies:
            data = body.part(data)
        return data

    def _last(self) -> bytes:
        data = b""
        for body in self._bodies:
            data = (body.part(data) if data else b"") + body.end()
        return data

    def _out(self, data: bytes) -> None:
        if not data:
            return
        if self._held is None:
            self._writer.part(data)
            return
        self._size += len(data)
        if self._size > self._held.maximum:
            raise Unfit(f"its body is larger than {self._held.maximum} bytes")
        self._kept.append(data)


def taker(request: Request) -> Writer | Filtering:
    """What writes an answer to a request's client, through the filters of its route."""
    filters = request.plan.filters if request.plan is not None else ()
    return Filtering(request, filters) if filters else Writer(request)


class FilteredRoute:
    """The handler of a route that has answer filters: around all others."""

    def __init__(self, inner: Handler) -> None:
        self._inner = inner

    def start(self, request: Request) -> None:
        request.taker = taker(request)
        self._inner.start(request)

    def ended(self, request: Request) -> None:
        self._inner.ended(request)
