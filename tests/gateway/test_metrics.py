"""Where counts stand, and how they are told."""

from __future__ import annotations

from itertools import pairwise

import pytest
from prometheus_client.parser import text_string_to_metric_families

from apigw_cli.gateway import metrics
from apigw_cli.gateway.metrics import HISTOGRAM, ROUTE, UNROUTED, WORDS, Gauges, Layout, Totals, WorkerCells

GAUGES = Gauges("1", "qa", "abc", 2, 3, 100, 4, 5, 6, frozenset({("api", 'a "route"')}))


def test_places_never_move_and_never_overlap() -> None:
    layout = Layout()
    first = {name: layout.route("api", name) for name in ("a", "b", "c")}
    histograms = [layout.histogram("api", name) for name in ("a", "b", "c")]
    assert {name: layout.route("api", name) for name in ("c", "a", "b")} == {k: first[k] for k in ("c", "a", "b")}
    spans = [(at, at + ROUTE) for at in first.values()]
    spans += [(at, at + HISTOGRAM) for at in histograms]
    spans += [(UNROUTED[0], HISTOGRAM), (UNROUTED[1], UNROUTED[1] + ROUTE)]
    spans.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_when_there_is_no_room_routes_share_a_place() -> None:
    layout = Layout(end=WORDS - ROUTE - HISTOGRAM)
    own = layout.route("api", "last")
    shared = layout.route("api", "too many")
    assert own == WORDS - ROUTE - HISTOGRAM
    assert shared == layout.route("api", "still more")
    assert shared != own
    memory = metrics.create(1)
    WorkerCells(memory, 0).words[shared + 2] = 7
    text = metrics.render(layout, Totals(memory, 1), GAUGES)
    assert 'apigw_requests_total{api="(other)",route="(other)",code="2xx"} 7' in text
    assert "too many" not in text


@pytest.mark.parametrize("name", ['a "quoted" one', "back\\slash", "two\nlines", "Ümläut {x}", "", "a,b=c"])
def test_any_name_can_be_read_again(name: str) -> None:
    memory, layout = metrics.create(1), Layout()
    WorkerCells(memory, 0).words[layout.route("api", name) + 2] = 7
    text = metrics.render(layout, Totals(memory, 1), GAUGES)
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    assert [one.value for one in samples if one.labels.get("route") == name and one.labels["code"] == "2xx"] == [7]


def test_the_text_adds_up_the_workers() -> None:
    memory, layout = metrics.create(2), Layout()
    route, api = layout.route("api", 'a "route"'), layout.histogram("api", 'a "route"')
    for number in range(2):
        cells = WorkerCells(memory, number)
        cells.words[route + 2] += 10
        cells.words[route + 4] += 3
        cells.count_reason(route, "rate_limited")
        cells.count_reason(route, "no such reason")
        cells.words[api] += 12
        cells.words[api + len(metrics.BOUNDS)] += 1
        cells.words[api + len(metrics.BOUNDS) + 1] += 1_500_000_000
    text = metrics.render(layout, Totals(memory, 2), GAUGES)
    lines = text.splitlines()
    assert r'apigw_requests_total{api="api",route="a \"route\"",code="2xx"} 20' in lines
    assert r'apigw_refusals_total{api="api",route="a \"route\"",reason="rate_limited"} 2' in lines
    assert r'apigw_limiter_decisions_total{api="api",route="a \"route\"",decision="allowed"} 24' in lines
    assert 'apigw_request_duration_seconds_bucket{api="api",le="10"} 24' in lines
    assert 'apigw_request_duration_seconds_bucket{api="api",le="+Inf"} 26' in lines
    assert 'apigw_request_duration_seconds_sum{api="api"} 3.000000000' in lines
    assert 'apigw_request_duration_seconds_count{api="api"} 26' in lines
    assert "apigw_worker_restarts_total 6" in lines
    assert not any("apigw_route_duration" in line for line in lines)
    lines = metrics.render(layout, Totals(memory, 2), GAUGES, by_route=True).splitlines()
    name = r'apigw_route_duration_seconds_bucket{api="api",route="a \"route\"",le='
    assert f'{name}"10"}} 24' in lines
    assert f'{name}"+Inf"}} 26' in lines
    assert sum("apigw_route_duration_seconds_count" in line for line in lines) == 1  # none that nobody asked for
    for line in lines:
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2
