"""JSONPath in two dialects: Spectral's (nimma, jsonpath-plus) and RFC 9535.

`syntax` reads a path into steps, `script` and `query` compile its filters into closures, `traversal` matches any number
of paths in one walk over a document.
"""

from __future__ import annotations

from apigw_cli.lint.jsonpath.steps import Frame, Path, PathError, find
from apigw_cli.lint.jsonpath.syntax import parse
from apigw_cli.lint.jsonpath.traversal import Program

__all__ = ["Frame", "Path", "PathError", "Program", "find", "parse"]
