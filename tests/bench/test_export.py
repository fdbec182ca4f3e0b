"""A result for other programs: CSV over time, Prometheus's text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from apigw_cli.bench import assertion
from apigw_cli.bench.export import as_csv, as_prometheus
from apigw_cli.bench.series import Series
from apigw_cli.errors import Exit
from tests.bench.server import Bucket, serving
from tests.bench.test_assertion import result
from tests.bench.test_program import run


def test_one_row_for_each_interval() -> None:
    one = msgspec.structs.replace(result(), series=Series(2, [10, 5], [1, 0], [0, 0], [0, 3]))
    rows = list(csv.reader(io.StringIO(as_csv(one))))
    assert rows[0] == ["second", "allowed", "limited", "failed", "errors"]
    assert rows[1:] == [["2", "10", "1", "0", "0"], ["4", "5", "0", "0", "3"]]


def test_prometheus_reads_what_was_counted() -> None:
    one = result({200: 90, 429: 4}, errors=1)
    kept = assertion.judge(assertion.parse("p99<20ms"), one)
    one = msgspec.structs.replace(one, assertions=[kept])
    found = {family.name: family for family in text_string_to_metric_families(as_prometheus(one) + "\n")}
    requests = {tuple(sample.labels.items()): sample.value for sample in found["apigw_bench_requests"].samples}
    assert requests == {(("status", "200"),): 90, (("status", "429"),): 4, (("error", "reset"),): 1}
    latency = found["apigw_bench_latency_seconds"]
    assert latency.type == "summary"
    p99 = [s for s in latency.samples if s.labels.get("quantile") == "0.99" and s.labels["class"] == "allowed"]
    assert [round(sample.value, 3) for sample in p99] == [0.001, 0.001]
    (held,) = found["apigw_bench_assertion"].samples
    assert (held.labels, held.value) == ({"assertion": "p99<20ms"}, 1)


@pytest.mark.parametrize("name", ["csv", "prometheus"])
def test_the_program_writes_them(tmp_path: Path, name: str) -> None:
    file = tmp_path / "out"
    with serving(Bucket("1/s", 5)) as server:
        done = run(server.url, "--requests", "20", "--format", name, "-o", str(file))
    assert (done.returncode, done.stdout) == (0, "")
    assert ("second,allowed" if name == "csv" else 'apigw_bench_requests_total{status="429"}') in file.read_text()


def test_a_comparison_is_neither() -> None:
    done = run("http://127.0.0.1:9", "--against", "http://127.0.0.1:9", "--format", "csv")
    assert done.returncode == Exit.USAGE
    assert "--format csv is for a single run" in done.stderr
