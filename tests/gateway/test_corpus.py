"""GitHub's API, 13 MB of it, mocked: every operation is reached by a request to a concrete path."""

from __future__ import annotations

import re
from pathlib import Path

from apigw_cli.openapi.document import Library
from apigw_cli.openapi.operations import base_path, operations
from tests.gateway.program import Gateway
from tests.gateway.wire import Wire


def test_every_operation_of_github_is_reached(corpus: Path, tmp_path: Path) -> None:
    library = Library(corpus)
    document = library.read("github-13MB.json")
    base = base_path(document)
    wanted = [
        (operation.method, base + re.sub(r"\{[^}]*\}", "some.thing", operation.path), operation.name)
        for operation in operations(document, library)
    ]
    assert len(wanted) > 1000
    gateway = Gateway(tmp_path, "--spec", str(corpus / "github-13MB.json")).ready()
    try:
        with Wire(gateway.port) as wire:
            reached = []
            for start in range(0, len(wanted), 50):
                several = wanted[start : start + 50]
                requests = (f"{method} {path} HTTP/1.1\r\nHost: any.example\r\n\r\n" for method, path, _ in several)
                wire.send("".join(requests).encode())
                reached += [wire.answer(method == "HEAD").header("X-Apigw-Operation") for method, _, _ in several]
    finally:
        gateway.stop()
    assert reached == [name for _, _, name in wanted]
