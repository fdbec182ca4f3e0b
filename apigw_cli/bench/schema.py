"""The JSON Schema of what `--format json` prints: `python -m apigw_cli.bench.schema > docs/bench.schema.json`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import orjson

from apigw_cli.bench.comparison import Comparison
from apigw_cli.bench.result import Result
from apigw_cli.bench.results import Repeated
from apigw_cli.bench.sweep import Sweep

_TITLE = "What apigw bench and apigw compare print with --format json"


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12: a run, several (`--repeat`), a sweep, or a comparison."""
    (kinds, parts) = msgspec.json.schema_components(
        (Result, Repeated, Sweep, Comparison), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        "anyOf": list(kinds),
        "$defs": dict(sorted(parts.items())),
    }


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(schema(), option=orjson.OPT_INDENT_2) + b"\n")
