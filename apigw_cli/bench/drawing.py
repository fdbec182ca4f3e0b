"""Charts as pictures, and a page with them that needs nothing else: no script, no server, no network."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from apigw_cli import __version__
from apigw_cli.bench import charts
from apigw_cli.bench.charts import Chart
from apigw_cli.errors import EnvironmentFailure, UsageError

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
pre { background: #f6f6f6; padding: 1rem; white-space: pre-wrap; font-size: 0.85rem; line-height: 1.35 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
svg { max-width: 100%; height: auto }
footer { margin-top: 3rem; color: #666; font-size: 0.85rem }
"""


def picture(path: Path) -> Callable[[list[Chart]], bytes]:
    """What draws all charts in the format that a file's name asks for. Raises UsageError, EnvironmentFailure."""
    kind = path.suffix.lower()
    if kind not in (".svg", ".png"):
        raise UsageError(f"--plot {path}: the name must end in .svg or .png")
    library = _library()
    if kind == ".svg":
        return lambda found: str(library.vegalite_to_svg(charts.joined(found))).encode()
    return lambda found: bytes(library.vegalite_to_png(charts.joined(found), scale=2))


def page() -> Callable[[str, str, list[Chart]], str]:
    """What makes a page of a title, a text as the terminal shows it, and charts. Raises EnvironmentFailure."""
    library = _library()

    def make(title: str, text: str, found: list[Chart]) -> str:
        return _page(title, text, [(chart, library.vegalite_to_svg(charts.alone(chart))) for chart in found])

    return make


def _library() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise EnvironmentFailure(
            "charts need the extra `report`", hint="install it with: pip install 'apigw-toolkit[report]'"
        ) from None
    return vl_convert


def _page(title: str, text: str, pictures: Sequence[tuple[Chart, str]]) -> str:
    sections = "\n".join(
        f"<section>\n<h2>{html.escape(chart.title)}</h2>\n<p>{html.escape(chart.words)}</p>\n{picture}\n</section>"
        for chart, picture in pictures
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<pre>{html.escape(text)}</pre>
{sections}
<footer>apigw {html.escape(__version__)}</footer>
</body>
</html>
"""
