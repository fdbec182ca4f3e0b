"""A site's files as answers: whole, in part, or "not modified"; large ones as fast as the client takes them.

    find ─▶ conditions ─▶ 304, 412 │ range ─▶ 416 │ head, then parts ─▶ finish
     └▶ a folder without its slash: 308 │ not there: the fallback, the page for that, or 404

A file that is small enough goes out in one write. Of a larger one a part is read whenever the client has taken the one
before; reading from a local disk does not wait for a network, so it is done right here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigw_cli.gateway import answers
from apigw_cli.gateway.filtering import Filtering
from apigw_cli.gateway.slashes import REDIRECT
from apigw_cli.integrations import preconditions
from apigw_cli.integrations.folder import Folder, IsFolder, NotThere, Opened
from apigw_cli.integrations.preconditions import Unsatisfiable, Verdict
from apigw_cli.policies.answer_filter import Head, Unfit

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request
    from apigw_cli.policies.answer_filter import AnswerFilter
    from apigw_cli.snapshot.model import StaticIntegration

_PART = 128 * 1024  # bytes that are read at once
_VARY = b"Vary: Accept, Sec-Fetch-Mode\r\n"  # what decides between the fallback and a 404
_TIMEOUT = 60 * 10**9  # nanoseconds for a client to take a part


class StaticHandler:
    """Answers the requests of one site's route."""

    __slots__ = ("_fallback", "_folder", "_not_found")

    def __init__(self, integration: StaticIntegration, folder: Folder) -> None:
        self._folder = folder
        self._fallback = integration.fallback
        self._not_found = integration.not_found

    def start(self, request: Request) -> None:
        try:
            opened = self._folder.find(request.path)
        except IsFolder:
            REDIRECT.start(request)
            return
        except NotThere:
            self._instead(request)
            return
        except OSError as error:
            request.connection.site.report(error)
            request.connection.answer(request, 500, "the file cannot be read", (), "file_unreadable")
            return
        _answer(request, opened)

    def ended(self, request: Request) -> None:
        """A GET's body is nobody's concern."""

    def _instead(self, request: Request) -> None:
        try:
            if self._fallback:
                request.answer_extra.append(_VARY)
                if _wants_page(request):
                    _answer(request, self._folder.named(self._fallback))
                    return
            if self._not_found:
                _send(request, 404, self._folder.named(self._not_found), None)
                return
        except (NotThere, OSError):
            pass
        request.connection.answer(request, 404, "there is no such file", (), "no_file")


def _wants_page(request: Request) -> bool:
    """Whether this is somebody's navigation, which an app answers by itself, and not a file that is missing.

    Browsers say so (Fetch Metadata); of others their Accept is looked at, and whether the path ends as a file's.
    """
    mode = request.fields.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate"
    accept = request.fields.get(b"accept", b"*/*")
    return b"text/html" in accept or (b"*/*" in accept and b"." not in request.path.rpartition("/")[2].encode())


def _answer(request: Request, opened: Opened) -> None:
    it, fields = opened.representation, request.fields_passed()
    verdict = preconditions.evaluate(fields, it)
    if verdict is not Verdict.SEND:
        opened.close()
        lines = _without_type(opened.lines) if verdict is Verdict.NOT_MODIFIED else b""
        body = b"" if verdict is Verdict.NOT_MODIFIED else answers.message_body("the file is another one by now")
        request.connection.respond(request, verdict.value, (lines,) if lines else (answers.JSON,), body)
        return
    try:
        part = preconditions.part(fields, it) if request.method == b"GET" else None
    except Unsatisfiable:
        opened.close()
        line = b"Content-Range: bytes */%d\r\n" % it.length
        request.connection.answer(request, 416, f"the file has {it.length} bytes", (line,), "range")
        return
    _send(request, 206 if part is not None else 200, opened, part)


def _without_type(lines: bytes) -> bytes:
    """RFC 9110, section 15.4.5: of a 304 what a cache needs, and no more."""
    kept = (b"last-modified", b"cache-control", b"etag")
    return b"".join(line for line in lines.splitlines(True) if line.partition(b":")[0].lower() in kept)


def _send(request: Request, status: int, opened: Opened, part: tuple[int, int] | None) -> None:
    length = opened.representation.length
    first, last = part if part is not None else (0, length - 1)
    lines = opened.lines
    if part is not None:
        lines += b"Content-Range: bytes %d-%d/%d\r\n" % (first, last, length)
    Sending(request, opened, first, last + 1).begin(status, lines)


class Sending:
    """Stands where the exchange with an upstream would be (`request.sink`) while a file is sent."""

    __slots__ = ("_at", "_end", "_opened", "_paused", "_request", "_taker")

    def __init__(self, request: Request, opened: Opened, first: int, end: int) -> None:
        self._request = request
        self._opened = opened
        self._at = first
        self._end = end
        self._paused = False
        self._taker: Filtering | None = None  # where the route has answer filters

    def begin(self, status: int, lines: bytes) -> None:
        request = self._request
        request.status = status
        connection = request.connection
        if request.plan is not None and request.plan.filters:
            self._begin_through(request.plan.filters, status, lines)
            return
        head = b"%b%b%bX-Request-Id: %b\r\n%bContent-Length: %d\r\n%b\r\n" % (
            answers.status_line(status),
            connection.site.date,
            lines,
            request.id,
            b"".join(request.answer_extra),
            self._end - self._at,
            connection.persistence(request),
        )
        if request.method == b"HEAD":
            self._end = self._at
        request.sink = self
        self._go_on(head)

    def _begin_through(self, filters: tuple[AnswerFilter, ...], status: int, lines: bytes) -> None:
        request = self._request
        said = (request.connection.site.date + lines).splitlines(keepends=True)
        self._taker = Filtering(request, filters)
        request.sink = self
        try:
            self._taker.head(Head(status, answers.reason(status), said, self._end - self._at))
        except Unfit as unfit:
            self._unfit(unfit)
            return
        if request.method == b"HEAD":
            self._end = self._at
        self._go_on()

    def _unfit(self, unfit: Unfit) -> None:
        self.cancel()
        self._request.connection.fail(self._request, 502, f"the file may not pass: {unfit}", "answer_unfit")

    def _go_on(self, head: bytes = b"") -> None:
        """Send the next part, the head before it, and then the next as soon as the client has room for it."""
        request = self._request
        connection = request.connection
        try:
            data = self._opened.read(self._at, min(_PART, self._end - self._at)) if self._at < self._end else b""
        except OSError as error:
            connection.site.report(error)
            data = b""
        if not data and self._at < self._end:  # it was cut while it was sent, or cannot be read
            self.cancel()
            connection.fail(request, 500, "the file cannot be read", "file_unreadable")
            return
        self._at += len(data)
        connection.deadline = connection.site.now + _TIMEOUT
        if self._taker is None:
            request.bytes_out += len(data)
            request.head_sent = True
            connection.transport.write(head + data)
        elif not self._write_through(self._taker, data):
            return
        if self._at >= self._end:
            self.cancel()
            connection.finish(request)
        elif not self._paused:
            connection.site.loop.call_soon(self._next)

    def _write_through(self, taker: Filtering, data: bytes) -> bool:
        """Says whether the filters let it pass."""
        try:
            if data:
                taker.part(data)
            if self._at < self._end:
                taker.flush()
            else:
                taker.end(None, True)
        except Unfit as unfit:
            self._unfit(unfit)
            return False
        return True

    def _next(self) -> None:
        if self._request.sink is self and not self._paused:
            self._go_on()

    # --- what the client's connection tells the exchange

    def send(self, data: bytes) -> None:
        """A GET's body is nobody's concern."""

    def end(self) -> None:
        """A GET's body is nobody's concern."""

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._request.connection.site.loop.call_soon(self._next)

    def cancel(self) -> None:
        """It is sent, or the client has left."""
        self._request.sink = None
        self._opened.close()
