"""Where what is served was written, for the admin port: `file:line:column` of every route's operation and policies."""

from __future__ import annotations

from functools import partial

from apigw_cli.openapi.document import Document
from apigw_cli.openapi.places import Steps
from apigw_cli.snapshot.compiler import Compiled

Origins = dict[str, dict[str, str]]


def of(compiled: Compiled) -> Origins:
    """By route id and item ("operation", "integration", "policies.rate_limit"): where the winning value stands."""
    origins = compiled.provenance.origins
    _locate(compiled)
    found: Origins = {}
    for (owner, item), sources in origins.items():
        found.setdefault(owner, {})[item] = str(sources[0].place)
    return found


def _locate(compiled: Compiled) -> None:
    """Find the places in each document at once: in JSON every search is a pass over the text."""
    wanted: dict[Document, list[Steps]] = {}
    for sources in compiled.provenance.origins.values():
        find = sources[0].find
        document = getattr(find.func, "__self__", None) if isinstance(find, partial) else None
        if isinstance(find, partial) and isinstance(document, Document) and find.args:
            wanted.setdefault(document, []).append(find.args[0])
    for document, paths in wanted.items():
        document.locate(paths)
