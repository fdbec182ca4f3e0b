"""The filter of `response`: what becomes of one answer on its way to the client.

head ─▶ another status's? the gateway's own? ─▶ as it is, or with other headers
  └▶ nothing of the body is read ─▶ other lines; a whole new body takes the place of the one that comes
  └▶ JSON ─▶ held to its end, to `max_body` bytes ─▶ read, changed, or:
  └▶ something else, or not to be read, and members are to be changed ─▶ nothing of it passes:
        2xx          502
        all others   their status, and the gateway's own words for it in place of the body
"""

from __future__ import annotations

from msgspec import to_builtins

from apigw_cli.policies.answer_filter import Flowing, Head, Held, Unwanted, has_body, name_of, withheld
from apigw_cli.policies.interface import Exchange
from apigw_cli.policies.response import body, headers, statuses
from apigw_cli.policies.response.body import JSON_LINE, OF_BYTES, Unreadable
from apigw_cli.policies.response.model import Response
from apigw_cli.policies.templates import writing
from apigw_cli.policies.templates.reading import Subject

NOTICE = "unsuitable_answer"
_PARTIAL = "it is a part of something"
_EVENTS = "text/event-stream"
# What a 304 says beside what caches are told (RFC 9110, section 15.4.5).
_OF_CONTENT = frozenset((b"content-type", b"content-language", b"content-disposition", b"last-modified"))


class Instead:
    """Takes the place of a body that comes, and that nobody sees."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def part(self, data: bytes) -> bytes:
        return b""

    def flush(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return self._data


class Changes:
    """What one route's answers are changed by."""

    def __init__(self, value: Response, path: str) -> None:
        """Raises InputError for values that requests of this path do not have."""
        self.applies = statuses.among(value.on)
        self._mapped = statuses.mapping(value.status)
        edits = [headers.dependence(writing.names(to_builtins(value)))]
        edits += [headers.of_headers(value.headers, path)] if value.headers is not None else []
        self._edits = [one for one in edits if one is not None]
        self.withheld = headers.names_of(value.headers)
        self._making = None if value.body is None else body.of_body(value.body, path, value.types_body)
        self._reads = value.reads_body
        self._own = value.own
        self._maximum = value.max_body

    def __call__(self, exchange: Exchange, head: Head) -> Head | Flowing | Held:
        if head.status not in self.applies:
            return head
        subject = Subject(exchange, None, head)
        if head.own and not self._own:
            return Head(head.status, head.reason, self._edited(subject, head.lines), head.length, True)
        if exchange.method == b"HEAD":
            return self._headed(subject, head)
        if not has_body(exchange.method, head) or head.length == 0:
            return self._unread(subject, head)
        return self._with_body(subject, head)

    def _edited(self, subject: Subject, lines: list[bytes]) -> list[bytes]:
        for edit in self._edits:
            lines = edit(subject, lines)
        return lines

    # --- the body is not read

    def _headed(self, subject: Subject, head: Head) -> Head:
        """As a GET's would be, as far as that can be said without the body."""
        status, making = self._mapped.get(head.status, head.status), self._making
        lines, length = head.lines, head.length
        if status != head.status or (making is not None and status not in (204, 304)):
            lines, length = _without(lines, status == 204 or (making is not None and making.is_whole)), None
            lines = [*lines, making.line] if making is not None and making.line else lines
        return self._made(subject, head, lines, length)

    def _with_body(self, subject: Subject, head: Head) -> Head | Flowing | Held:
        making = self._making
        if making is not None and not head.own:
            if head.status == 206 or head.first(b"content-range") is not None:
                return self._instead(subject, head, _PARTIAL)
            if body.kind_of(head) == _EVENTS:
                raise Unwanted("it is a stream of events, whose body cannot be changed")
        if self._reads and body.is_declared_json(head):
            return self._hold(subject, head)
        if making is not None and not making.is_whole:
            return self._instead(subject, head, "it is not declared as JSON")
        return self._unread(subject, head)

    def _unread(self, subject: Subject, head: Head) -> Head | Flowing:
        """Only a whole new body, or a status that has none, takes the place of what comes."""
        status, making = self._mapped.get(head.status, head.status), self._making
        becomes_none = status == 204 != head.status
        if becomes_none or (making is not None and making.is_whole and status not in (204, 304)):
            try:
                made, data = self._finished(subject, head, b"")
            except Unreadable as error:
                why = str(error)
            else:
                return Flowing(made, Instead(data))
            return self._instead(subject, head, why)
        changes = making is not None and head.status == 304  # whose tag is that of the upstream's bytes
        lines = _without(head.lines, False) if changes else head.lines
        return self._made(subject, head, lines, 0 if head.status == 204 != status else head.length)

    def _instead(self, subject: Subject, head: Head, why: str) -> Head | Flowing:
        """Nothing of the body may pass. Raises Unwanted."""
        if head.own:
            return Head(head.status, head.reason, self._edited(subject, head.lines), head.length, True)
        made, data = self._message(subject, head, why)
        return Flowing(made, Instead(data))

    # --- the body is read

    def _hold(self, subject: Subject, head: Head) -> Head | Flowing | Held:
        if head.length is not None and head.length > self._maximum:
            if head.own:
                return self._instead(subject, head, "")
            raise Unwanted(f"its body is larger than {self._maximum} bytes")
        return Held(self._maximum, lambda data: self._decided(subject, head, data))

    def _decided(self, subject: Subject, head: Head, data: bytes) -> tuple[Head, bytes]:
        why = ""
        try:
            if data:
                subject.answer_body = body.read(head, data, self._maximum)
        except Unreadable as error:
            why = str(error)
        if why and self._making is not None and not self._making.is_whole:
            return self._refused(subject, head, data, why)
        try:
            return self._finished(subject, head, data)
        except Unreadable as error:
            why = str(error)
        return self._refused(subject, head, data, why)

    def _refused(self, subject: Subject, head: Head, data: bytes, why: str) -> tuple[Head, bytes]:
        if head.own:
            return Head(head.status, head.reason, self._edited(subject, head.lines), len(data), True), data
        return self._message(subject, head, why)

    def _message(self, subject: Subject, head: Head, why: str) -> tuple[Head, bytes]:
        """The gateway's own words for a status. Raises Unwanted for one that says that all is well."""
        if 200 <= head.status < 300:
            raise Unwanted(why)
        subject.exchange.notice(NOTICE, why)
        status = self._mapped.get(head.status, head.status)
        data = writing.dumps({"message": statuses.phrase(status).decode("ascii") or "error"}) if status != 204 else b""
        lines = [*_without(head.lines, True), *([JSON_LINE] if data else [])]
        made = self._made(subject, head, lines, len(data) if status != 204 else None)
        return Head(made.status, made.reason, made.lines, made.length, True), data

    # --- what goes on

    def _finished(self, subject: Subject, head: Head, data: bytes) -> tuple[Head, bytes]:
        """Head and body of a body that is here, or of one that takes its place. Raises Unreadable."""
        status, making = self._mapped.get(head.status, head.status), self._making
        if status == 204:
            return self._made(subject, head, _without(head.lines, True), None), b""
        if making is None or (not making.is_whole and not data):
            return self._made(subject, head, head.lines, len(data)), data
        data = making.make(subject)
        lines = [*_without(head.lines, making.is_whole), *([making.line] if making.line else [])]
        if head.first(b"etag") is None or status != 200:
            return self._made(subject, head, lines, len(data)), data
        return self._tagged(subject, head, lines, data)

    def _tagged(self, subject: Subject, head: Head, lines: list[bytes], data: bytes) -> tuple[Head, bytes]:
        """The upstream's tag is that of other bytes: these get their own, and the client's condition is asked here."""
        exchange, tag = subject.exchange, body.tag(data)
        lines = [*lines, b"ETag: %b\r\n" % tag]
        asked = [one for name, one in exchange.headers if name == b"if-none-match"]
        if exchange.method == b"GET" and asked and body.has(asked, tag):
            lines = self._edited(subject, [line for line in lines if name_of(line) not in _OF_CONTENT])
            return Head(304, b"Not Modified", lines, None, head.own), b""
        return self._made(subject, head, lines, len(data)), data

    def _made(self, subject: Subject, head: Head, lines: list[bytes], length: int | None) -> Head:
        status = self._mapped.get(head.status, head.status)
        reason = head.reason if status == head.status else statuses.phrase(status)
        return Head(status, reason, self._edited(subject, lines), length, head.own)


class FirstThatFits:
    """Several, of which for each answer the first counts that is for its status."""

    def __init__(self, several: list[Changes]) -> None:
        self._of = {status: one for one in reversed(several) for status in one.applies}
        self.withheld = withheld(several)

    def __call__(self, exchange: Exchange, head: Head) -> Head | Flowing | Held:
        one = self._of.get(head.status)
        return head if one is None else one(exchange, head)


def _without(lines: list[bytes], is_whole: bool) -> list[bytes]:
    """Less what was said of the upstream's bytes; `is_whole`: and of what they are."""
    return [
        line for line in lines if (name := name_of(line)) not in OF_BYTES and (name != b"content-type" or not is_whole)
    ]
