"""Who else may ask: requests of other callers than the one that the load is sent for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from apigw_cli.bench.limit import Declared
from apigw_cli.bench.proving import NOBODY, Others
from apigw_cli.bench.request import Header, Request, with_headers

CROWD = 3  # keys that are compared with each other
_CREDENTIALS = ("authorization", "cookie", "x-api-key", "api-key", "apikey", "x-auth-token")
_OF_CALLERS = ("api_key", "claim:", "jwt")


def others_of(
    layers: Sequence[Declared], request: Request, given: tuple[Header, ...], own: Sequence[Request]
) -> Others:
    """Requests that no layer counts together with `request`. Nobody where a layer counts all of them together.

    `given`: headers of another caller, by whom this one is replaced; `own`: requests of callers that were made up for
    a gateway that was started here. Else another value of the header that is counted by, if that is no credential:
    those are not made up.
    """
    parts = [layer.key.split("+") for layer in layers]
    if given:
        if any(key == ["route"] for key in parts):
            return NOBODY
        other = with_headers(request, given)
        return Others(other, (request, other))
    if own and all(any(part.startswith(_OF_CALLERS) for part in key) for key in parts):
        quiet, *crowd = own
        return Others(quiet, tuple(crowd[:CROWD]), fresh=True)
    name = _common_header(parts)
    if name is None:
        return NOBODY
    value = next((value for key, value in request.headers if key.lower() == name), "")
    mark = secrets.token_hex(4)
    quiet, *crowd = (with_headers(request, ((name, f"{value}-{mark}-{n}"),)) for n in range(CROWD + 1))
    return Others(quiet, tuple(crowd), fresh=True)


def _common_header(parts: Sequence[Sequence[str]]) -> str | None:
    """A header that is in the key of every layer and is no credential, in lower case."""
    names = [{part.partition(":")[2].lower() for part in key if part.startswith("header:")} for key in parts]
    common = set.intersection(*names) - set(_CREDENTIALS)
    return min(common, default=None)
