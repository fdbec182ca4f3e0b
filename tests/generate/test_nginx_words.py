"""No value of the configuration ends its place in nginx.conf: nginx says exactly what was written."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apigw_cli.generate.nginx.config import Configuration
from apigw_cli.generate.run import load
from tests.generate import engine
from tests.generate.conftest import Upstream
from tests.generate.engine import needs_nginx

_HOSTILE = st.sampled_from(
    [*"$\"'\\;{}#~ `|&=()[]*?%,<>@:/^.", "$host", "${host}", "\\n", "\\;", "};", "# x", "%0d%0a", "x"]
)
TEXT = st.lists(_HOSTILE, min_size=1, max_size=8).map("".join).map(str.strip).filter(bool)
COUNT = 8
TEXTS = st.lists(TEXT, min_size=COUNT, max_size=COUNT)


def written(text: str) -> str:
    """As a template that is that text."""
    return text.replace("${", "$${")


def configuration(texts: list[str], url: str) -> str:
    """One route for each text, which stands wherever a text may."""
    routes = {
        f"r{number}": {
            "request": {
                "headers": {"set": {"X-Text": written(text)}, "add": {"X-More": written(text)}},
                "query": {"set": {text: written(text)}},
            },
            "response": {"headers": {"set": {"X-Said": written(text)}}},
            "security_headers": {"csp": written(text)},
            "cache": {"mode": "ttl"},
        }
        for number, text in enumerate(texts)
    }  # fmt: skip
    api = {"spec": "api.yaml", "upstream": "up", "base_path": "", "security": "off", "routes": routes}
    return json.dumps({"version": 1, "apis": {"api": api}, "upstreams": {"up": {"targets": [url]}}})


@needs_nginx
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(TEXTS)
@example(["$", "\\", '"', "';", "${host}", "x\\", "{", "#"])
def test_texts_arrive_as_they_were_written(upstream: Upstream, tmp_path_factory: object, texts: list[str]) -> None:
    folder: Path = tmp_path_factory.mktemp("words")  # type: ignore[attr-defined]
    paths = {f"/r{number}": {"get": {"operationId": f"r{number}", "responses": {}}} for number in range(COUNT)}
    (folder / "api.yaml").write_text(
        json.dumps({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths})
    )
    (folder / "apigw.yaml").write_text(configuration(texts, upstream.url))
    with engine.running(Configuration(load(folder, None), "127.0.0.1:1").text(), folder) as nginx:
        for number, text in enumerate(texts):
            answer = nginx.ask("GET", f"/r{number}", X_More="mine")
            assert (answer.headers["x-said"], answer.headers["content-security-policy"]) == (text, text)
            assert upstream.last("X-Text") == [text]
            assert upstream.last("X-More") == ["mine", text]
            assert upstream.seen[-1][1] == f"/r{number}?{quote(text, safe='')}={quote(text, safe='')}"
