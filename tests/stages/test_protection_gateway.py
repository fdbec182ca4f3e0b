"""What weakens the gateway as a whole: TLS, the limits of clients, whom upstreams and proxies are."""

from __future__ import annotations

import pytest

from apigw_cli.stages.diff import DiffOptions, diff
from apigw_cli.stages.finding import Level
from tests.stages.conftest import Apigw, Shop

CONFIG = "apigw.yaml"
CERTIFICATES = "certificates: [{cert: {file: a}, key: {file: b}}]"


def tls(more: str = "") -> str:
    return f"tls: {{{CERTIFICATES}{', ' if more else ''}{more}}}"


CA = "client_ca: {file: c}"
SETTINGS = [
    ("listen.tls", tls(), "", Level.WEAKEN),
    ("listen.tls", "", tls(), Level.STRENGTHEN),
    ("listen.tls.min_version", tls('min_version: "1.3"'), tls(), Level.WEAKEN),
    ("listen.tls.min_version", tls(), tls('min_version: "1.3"'), Level.STRENGTHEN),
    ("listen.tls.client_ca", tls(CA), tls(), Level.WEAKEN),
    ("listen.tls.client_ca", tls(CA), tls("client_ca: {file: d}"), Level.WEAKEN),
    ("listen.tls.client_ca", tls(), tls(CA), Level.STRENGTHEN),
    ("listen.tls.client_certificates", tls(CA), tls(f"{CA}, client_certificates: optional"), Level.WEAKEN),
    ("listen.tls.client_certificates", tls(f"{CA}, client_certificates: optional"), tls(CA), Level.STRENGTHEN),
    ("listen.tls.forward_client_certificate", tls(f"{CA}, forward_client_certificate: xfcc"), tls(CA), Level.WEAKEN),
    ("listen.max_body", "max_body: 10", "max_body: 11", Level.WEAKEN),
    ("listen.max_body", "max_body: 10", "", Level.WEAKEN),
    ("listen.max_body", "", "max_body: 10", Level.STRENGTHEN),
    ("listen.header_timeout", "", "header_timeout: 11s", Level.WEAKEN),
    ("listen.header_timeout", "", "header_timeout: 9s", Level.STRENGTHEN),
    ("listen.idle_timeout", "", "idle_timeout: 76s", Level.WEAKEN),
    ("listen.idle_timeout", "", "idle_timeout: 74s", Level.STRENGTHEN),
    ("listen.websocket_timeout", "", "websocket_timeout: 2h", Level.WEAKEN),
    ("listen.websocket_timeout", "", "websocket_timeout: 1m", Level.STRENGTHEN),
    ("listen.connections", "", "connections: 10001", Level.WEAKEN),
    ("listen.connections", "", "connections: 9999", Level.STRENGTHEN),
    ("listen.streams", "", "streams: 10001", Level.WEAKEN),
    ("listen.streams", "", "streams: 9", Level.STRENGTHEN),
    ("listen.queue", "", "queue: {length: 300}", Level.WEAKEN),
    ("listen.queue", "", "queue: {time: 2s, length: 1}", Level.WEAKEN),
    ("listen.queue", "", "queue: {length: 0}", Level.STRENGTHEN),
]


@pytest.mark.parametrize(("item", "old", "new", "level"), SETTINGS)
def test_listeners(shop: Shop, apigw: Apigw, item: str, old: str, new: str, level: Level) -> None:
    shop.edit(CONFIG, "version: 1\n", f"version: 1\nlisten: {{{old}}}\n")
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit(CONFIG, f"listen: {{{old}}}\n", f"listen: {{{new}}}\n")
    assert apigw("deploy", "qa").code == 0
    found = diff(DiffOptions("qa", "prod")).findings
    assert [(finding.path, finding.level) for finding in found] == [(item, level)]


VERIFICATION = [("verify: true", "verify: false", Level.WEAKEN), ("verify: false", "verify: true", Level.STRENGTHEN)]


@pytest.mark.parametrize(("old", "new", "level"), VERIFICATION)
def test_verification_of_an_upstream(shop: Shop, apigw: Apigw, old: str, new: str, level: Level) -> None:
    shop.edit(CONFIG, '["${pets_url}"]', f'["https://10.0.0.1:8443"], tls: {{{old}}}')
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit(CONFIG, old, new)
    assert apigw("deploy", "qa").code == 0
    found = diff(DiffOptions("qa", "prod")).findings
    assert [(finding.path, finding.level) for finding in found] == [("upstreams.pets.tls.verify", level)]


def test_where_limits_are_kept(shop: Shop, apigw: Apigw) -> None:
    shop.edit(CONFIG, "version: 1\n", 'version: 1\nlimits: {redis: {url: "redis://one:6379"}}\n')
    assert apigw("promote", "qa", "prod", "--yes").code == 0
    shop.edit(CONFIG, "redis://one:6379", "redis://two:6379")
    assert apigw("deploy", "qa").code == 0
    found = diff(DiffOptions("qa", "prod")).findings
    assert [(finding.path, finding.level) for finding in found] == [("limits", Level.WEAKEN)]
