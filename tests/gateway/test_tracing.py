"""Trace context as the upstream sees it, and spans as a collector gets them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_cli.errors import UsageError
from apigw_cli.gateway import tracing
from tests.gateway import conftest
from tests.gateway.conftest import Start
from tests.gateway.program import Gateway, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.test_workers import run
from tests.gateway.wire import get

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def forwarded(recorder: Recorder, url: str) -> dict[str, str]:
    found = next(one for one in reversed(recorder.received) if one.url == url)
    return {name.lower(): value for name, value in found.headers}


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_valid_trace_goes_on_below_our_span(gateway: Gateway, recorder: Recorder, flags: str) -> None:
    url = f"/open/trace{flags}"
    assert get(gateway.port, url, f"traceparent: 00-{TRACE}-{PARENT}-{flags}", "tracestate: a=1,b=2").status == 200
    headers = forwarded(recorder, url)
    version, trace, parent, sent = headers["traceparent"].split("-")
    assert (version, trace, sent) == ("00", TRACE, flags)
    assert parent != PARENT
    assert len(parent) == 16
    assert headers["tracestate"] == "a=1,b=2"
    assert gateway.log_line(path=url)["trace_id"] == TRACE


@pytest.mark.parametrize(
    ("number", "lines"),
    [
        (1, [f"traceparent: 00-{'0' * 32}-{PARENT}-01"]),
        (2, [f"traceparent: 00-{TRACE.upper()}-{PARENT}-01"]),
        (3, [f"traceparent: ff-{TRACE}-{PARENT}-01"]),
        (4, [f"traceparent: 00-{TRACE}-{PARENT}-01-more"]),
        (5, [f"traceparent: 00-{TRACE}-{PARENT}-01"] * 2),
        (6, ["traceparent: nonsense"]),
    ],
)
def test_an_invalid_one_is_replaced(gateway: Gateway, recorder: Recorder, number: int, lines: list[str]) -> None:
    url = f"/open/untraced{number}"
    get(gateway.port, url, *lines, "tracestate: a=1")
    headers = forwarded(recorder, url)
    version, trace, parent, flags = headers["traceparent"].split("-")
    assert (version, len(trace), len(parent), flags) == ("00", 32, 16, "00")
    assert trace != TRACE
    assert "tracestate" not in headers
    assert gateway.log_line(path=url)["trace_id"] == trace


def test_without_one_none_is_made_up(gateway: Gateway, recorder: Recorder) -> None:
    get(gateway.port, "/open/plain")
    assert "traceparent" not in forwarded(recorder, "/open/plain")
    assert gateway.log_line(path="/open/plain")["trace_id"] is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    found = tracing.read([f"cc-{TRACE}-{PARENT}-ff-later".encode()])
    assert found is not None
    assert found.header().startswith(b"traceparent: 00-" + TRACE.encode())
    assert found.header().endswith(b"-03\r\n")


@given(st.binary(max_size=80))
def test_nothing_that_is_read_is_passed_on_unread(value: bytes) -> None:
    found = tracing.read([value])
    if found is not None:
        assert tracing.read([found.header().split(b": ")[1].strip()]) is not None


class Collector:
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                import gzip

                from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

                body = self.rfile.read(int(self.headers["Content-Length"]))
                body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    collector.resources.append(resource.resource)
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    one = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", one.url)
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_spans_reach_the_collector(collector: Collector, start: Start, recorder: Recorder) -> None:
    gateway = start()
    get(gateway.port, "/open/a", f"traceparent: 00-{TRACE}-{PARENT}-01")
    get(gateway.port, "/open/b", f"traceparent: 00-{TRACE}-{PARENT}-00")  # not sampled
    get(gateway.port, "/nowhere")
    get(gateway.port, "/dead")
    wait_until(lambda: len(collector.spans) == 3, "three spans")
    spans = {attribute(span, "url.path"): span for span in collector.spans}
    first = spans["/open/a"]
    assert (first.name, first.trace_id.hex(), first.parent_span_id.hex()) == ("readOpen", TRACE, PARENT)
    assert forwarded(recorder, "/open/a")["traceparent"] == f"00-{TRACE}-{first.span_id.hex()}-01"
    assert first.end_time_unix_nano > first.start_time_unix_nano
    assert spans["/nowhere"].name == "GET"
    assert attribute(spans["/dead"], "error.type") == "upstream_unreachable"
    assert spans["/dead"].status.code == 2
    assert any(a.key == "service.name" and a.value.string_value == "apigw" for a in collector.resources[0].attributes)


def attribute(span: Any, name: str) -> str:
    return next(a.value.string_value for a in span.attributes if a.key == name)


def test_the_last_spans_are_sent_at_the_end(collector: Collector, start: Start) -> None:
    gateway = start()
    get(gateway.port, "/open/last")
    assert gateway.stop() == 0
    assert [attribute(span, "url.path") for span in collector.spans] == ["/open/last"]


def test_a_collector_that_is_away_harms_nobody(
    collector: Collector, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    gateway = start()
    assert get(gateway.port, "/open/a").status == 200
    gateway.line("the collector takes no spans")
    assert get(gateway.port, "/open/b").status == 200
    assert gateway.stop() == 0
    assert not [line for line in gateway.lines if "Traceback" in line], gateway.lines


def test_what_cannot_be_exported_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conftest.write(tmp_path, 1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "sometimes")
    ended = run(tmp_path)
    assert ended.returncode == 2
    assert "OTEL_TRACES_SAMPLER=sometimes" in ended.stderr or "the extra otel is not installed" in ended.stderr
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="the extra otel is not installed"):
        tracing.check()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    tracing.check()
