"""Charts and the page with them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from apigw_cli.bench import charts
from apigw_cli.bench.series import Series
from apigw_cli.bench.sweep import sweep_of
from apigw_cli.errors import Exit
from tests.bench.server import OK, Bucket, serving
from tests.bench.test_assertion import result
from tests.bench.test_program import run
from tests.bench.test_sweep import measured


def test_the_bars_of_an_interval_stand_on_each_other() -> None:
    one = msgspec.structs.replace(result(), series=Series(2, [10, 0], [4, 6], [0, 0], [2, 0]))
    (chart,) = (chart for chart in charts.of_result(one) if chart.title == "Over time")
    assert chart.spec["data"]["values"] == [
        {"from": 0, "to": 2, "answers": "allowed", "low": 0.0, "high": 5.0},
        {"from": 0, "to": 2, "answers": "limited", "low": 5.0, "high": 7.0},
        {"from": 0, "to": 2, "answers": "errors", "low": 7.0, "high": 8.0},
        {"from": 2, "to": 4, "answers": "limited", "low": 0.0, "high": 3.0},
    ]


def test_a_sweep_has_a_cell_for_each_measurement() -> None:
    found = measured(lambda workers, flight: 20.0 * flight)
    (chart,) = charts.of_sweep(sweep_of([found], 1.0, interrupted=False))
    assert len(chart.spec["data"]["values"]) == 12
    assert chart.words == " ".join(found.words)


class _Page(HTMLParser):
    """Notes what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_a_report_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    page, picture = tmp_path / "out.html", tmp_path / "out.svg"
    with serving(Bucket("20/s", 5)) as server:
        url = f"{server.url}<script>alert(1)</script>"
        options = ("--limit", "20/s burst 5", "--duration", "1500ms", "--report", str(page), "--plot", str(picture))
        done = run(url, *options)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    seen = _Page()
    seen.feed(text)
    assert seen.tags.count("svg") == 3
    assert "script" not in seen.tags
    assert seen.links == []
    assert "&lt;script&gt;" in text
    assert "✓ the limit holds" in text
    assert "\x1b" not in text
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")


def test_a_picture_of_a_sweep(tmp_path: Path) -> None:
    picture = tmp_path / "out.png"
    with serving(lambda asked: OK) as server:
        load = ("--workers", "1", "--concurrency", "1,2", "--duration", "100ms", "--warmup", "0s")
        done = run("--sweep", *load, "--plot", str(picture), server.url)
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--plot", "out.jpg"), Exit.USAGE, "must end in .svg or .png"),
        (("--report", "nowhere/out.html"), Exit.FAILED, "cannot write nowhere/out.html"),
        (("--repeat", "2", "--report", "out.html"), Exit.USAGE, "--report has no meaning for several runs"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, options: tuple[str, ...], code: Exit, words: str) -> None:
    with serving(lambda asked: OK) as server:
        done = run(server.url, "--requests", "5", *options, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(re.escape(words), done.stderr)
