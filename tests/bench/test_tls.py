"""https: measured like http where the certificate is trusted, refused with a clear message where it is not."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from apigw_cli.errors import EnvironmentFailure
from tests.bench.running import measured
from tests.bench.server import OK, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def test_https(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with serving(lambda asked: OK, tls=context) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(EnvironmentFailure, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted"):
            measured(url, requests=1)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        result = measured(url, requests=20, concurrency=2)
    assert result.statuses == {"200": 20}
