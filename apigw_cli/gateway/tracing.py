"""W3C trace context: passed on from client to upstream, and exported as OpenTelemetry spans where that is asked for.

A valid `traceparent` goes on with our own span as the parent; an invalid one is replaced by a new trace, and its
`tracestate` is dropped (https://www.w3.org/TR/trace-context, sections 2.2 and 3.3). Without one nothing is made up,
unless spans are exported. A request that brings none then costs one look into a dictionary.

Export (the extra `otel`) is switched on by OTEL_EXPORTER_OTLP_ENDPOINT. A worker's requests leave a tuple in a bounded
queue; a thread makes spans of them and sends them in batches.
"""

from __future__ import annotations

import logging
import os
import random
import re
import sys
import threading
import time
from collections import deque
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import orjson

from apigw_cli.errors import UsageError

if TYPE_CHECKING:
    from apigw_cli.gateway.request import Request

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_FLAGS = 0b11  # sampled, and random (level 2): others are not ours to pass on
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_WAITING = 8192  # requests that wait to be exported; beyond that they are dropped
_BATCH = 512
_SECONDS = 1.0  # between two batches
_LAST_SECONDS = 3.0  # what the last batch may take when the worker ends

# trace id, span id, parent's span id, flags, end and duration in nanoseconds, and the request's facts.
Facts = tuple[bytes, bytes, bytes, int, int, int, bytes, str, bytes, int, str, str]


class Trace:
    """Where a request stands in its trace: ids in lower-case hex; `parent` is empty for the first span."""

    __slots__ = ("field", "flags", "parent", "span_id", "trace_id")

    def __init__(self, trace_id: bytes, parent: bytes, flags: int) -> None:
        self.trace_id = trace_id
        self.parent = parent
        self.span_id = _new_id(64)
        self.flags = flags
        self.field = b',"trace_id":"%b"' % trace_id  # for the access log

    def header(self) -> bytes:
        return b"traceparent: 00-%b-%b-%02x\r\n" % (self.trace_id, self.span_id, self.flags)


def _new_id(bits: int) -> bytes:
    return b"%0*x" % (bits // 4, random.getrandbits(bits) or 1)


def read(values: list[bytes]) -> Trace | None:
    """The trace that the client's `traceparent` names; None where it is invalid or there are several."""
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    version, trace_id, parent, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not trace_id.strip(b"0") or not parent.strip(b"0"):
        return None
    return Trace(trace_id, parent, int(flags, 16) & _FLAGS)


def join(request: Request, export: Export | None) -> None:
    """Give a request its place in the client's trace, or in a new one, and its upstream the header that says so."""
    values = [value for name, value in request.headers if name == b"traceparent"]
    trace = read(values) if values else None
    if trace is None:
        sampled = export is not None and export.samples_root()
        trace = Trace(_new_id(128), b"", _SAMPLED if sampled else 0)
        request.remove.add(b"tracestate")
    request.remove.add(b"traceparent")
    request.extra.append(trace.header())
    request.trace = trace


# --- export


def is_on() -> bool:
    """Whether the environment asks for spans (OTEL_SDK_DISABLED says no)."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return any(os.environ.get(name) for name in _ENDPOINTS)


def check() -> None:
    """Raises UsageError where spans are asked for and cannot be exported."""
    if not is_on():
        return
    name = next(name for name in _ENDPOINTS if os.environ.get(name))
    if not _is_installed():
        hint = "pip install 'apigw-toolkit[otel]', or unset it, or set OTEL_SDK_DISABLED=true"
        raise UsageError(f"{name} asks for OpenTelemetry spans, and the extra otel is not installed", hint=hint)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if protocol != "http/protobuf":
        raise UsageError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}: spans are sent as http/protobuf only")
    _sampling()


def _is_installed() -> bool:
    try:
        return all(map(find_spec, ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")))
    except ModuleNotFoundError:
        return False


def _sampling() -> float:
    """Which share of the traces that begin here is sampled. Raises UsageError."""
    sampler = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    text = os.environ.get("OTEL_TRACES_SAMPLER_ARG", "1")
    shares = {"parentbased_always_on": "1", "parentbased_always_off": "0", "parentbased_traceidratio": text}
    try:
        share = float(shares[sampler])
    except KeyError:
        raise UsageError(f"OTEL_TRACES_SAMPLER={sampler}: known are {', '.join(shares)}") from None
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise UsageError(f"OTEL_TRACES_SAMPLER_ARG={text} is not a number from 0 to 1")
    return share


class Export:
    """Sends one worker's spans. `dropped` counts requests whose span is lost: the collector was too slow or away."""

    def __init__(self) -> None:
        self.dropped = 0
        self._share = _sampling()
        self._waiting: deque[Facts] = deque()
        self._ending = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def samples_root(self) -> bool:
        return random.random() < self._share

    def add(self, request: Request, elapsed: int) -> None:
        """A request was answered, after `elapsed` nanoseconds."""
        trace = request.trace
        if trace is None or not trace.flags & _SAMPLED:
            return
        if len(self._waiting) >= _WAITING:
            self.dropped += 1
            return
        plan, ids = request.plan, (trace.trace_id, trace.span_id, trace.parent, trace.flags)
        facts = (request.method, request.path, plan.log_fields if plan else b"", request.status, request.reason)
        self._waiting.append((*ids, time.time_ns(), elapsed, *facts, request.client_ip))

    def close(self) -> None:
        """Send what is left, for at most a few seconds."""
        self._ending.set()
        self._thread.join(_LAST_SECONDS)

    def _run(self) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we say it ourselves, and once
        exporter, make = OTLPSpanExporter(), _Spans()
        ending = False
        while not ending:
            ending = self._ending.wait(_SECONDS)
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._send(exporter, [make.span(facts) for facts in batch])

    def _send(self, exporter: Any, spans: list[Any]) -> None:
        try:
            done = exporter.export(spans).name == "SUCCESS"
        except Exception:  # whatever a collector answers: serving goes on without these spans
            done = False
        if not done:
            self.dropped += len(spans)
            if not self._failing:
                print("the collector takes no spans: they are dropped until it does", file=sys.stderr, flush=True)
        self._failing = not done


class _Spans:
    """Makes OpenTelemetry's spans; lives in the exporting thread, where the import costs nobody."""

    def __init__(self) -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        self._resource = Resource.create({} if named else {SERVICE_NAME: "apigw"})
        self._scope = InstrumentationScope("apigw")

    def span(self, facts: Facts) -> Any:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import ReadableSpan

        trace_id, span_id, parent, flags, end, elapsed, method, path, fields, status, reason, client = facts
        number, state = int(trace_id, 16), trace.TraceFlags(flags)
        route = orjson.loads(b"{%bnull}" % fields) if fields else {"route": None, "api": None}
        attributes = {
            "http.request.method": method.decode("latin-1"),
            "url.path": path,
            "http.response.status_code": status,
            "client.address": client,
            "apigw.api": route["api"],
            "apigw.route": route["route"],
            "error.type": reason or (str(status) if status >= 500 else None),
        }
        return ReadableSpan(
            name=route["route"] or method.decode("latin-1") or "HTTP",
            context=trace.SpanContext(number, int(span_id, 16), False, state),
            parent=trace.SpanContext(number, int(parent, 16), True, state) if parent else None,
            resource=self._resource,
            attributes={name: value for name, value in attributes.items() if value is not None},
            kind=trace.SpanKind.SERVER,
            status=trace.Status(trace.StatusCode.ERROR if status >= 500 else trace.StatusCode.UNSET),
            start_time=end - elapsed,
            end_time=end,
            instrumentation_scope=self._scope,
        )
