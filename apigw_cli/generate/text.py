"""Plain data as YAML or JSON text that every reader understands alike."""

from __future__ import annotations

import re
from typing import Any

import orjson
import yaml as pyyaml

FORMATS = ("yaml", "json")
WIDTH = 4096  # no folding: one value, one line


class _Dumper(pyyaml.SafeDumper):
    """Quotes text that YAML 1.1 or YAML 1.2 would read as something else; no anchors; lists indented."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


# PyYAML knows YAML 1.1's spellings; these are YAML 1.2's own (core schema: 1e3, 0o17).
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^0o[0-7]+$"), ["0"])


def dump(data: Any, into: str) -> str:
    """`data` (dicts, lists, text, numbers) as `yaml` or `json` text, keys in the order they have; ends in a newline."""
    if into == "json":
        return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"
    return str(pyyaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))
