"""The gateway on a Unix socket."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from apigw_cli.errors import EnvironmentFailure
from apigw_cli.gateway.sockets import bind_unix
from tests.gateway.conftest import Start
from tests.gateway.program import PATIENCE, wait_until
from tests.gateway.recorder import Recorder
from tests.gateway.wire import Wire

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no Unix sockets there")


class UnixWire(Wire):
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(path))
        self._buffer = b""


@pytest.fixture
def path() -> Iterator[Path]:
    """A short one: a socket's path may have about 100 characters."""
    with tempfile.TemporaryDirectory(prefix="apigw") as folder:
        yield Path(folder) / "gw.sock"


def test_requests_come_through_a_unix_socket(start: Start, recorder: Recorder, path: Path) -> None:
    gateway = start("--workers", "2", "--listen", f"unix:{path}")
    assert f"unix:{path}" in "\n".join(gateway.lines)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    for number in range(6):
        with UnixWire(path) as wire:
            wire.send(b"GET /open/unix%d HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n" % number)
            assert wire.answer().status == 200
    assert recorder.last("/open/unix0").all("X-Forwarded-For") == []
    config = gateway.folder / "apigw.yaml"
    config.write_text("trusted_proxies: [unix]\n" + config.read_text())
    gateway.line("reload  .*trusted")
    with UnixWire(path) as wire:
        wire.send(b"GET /open/told HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
        assert wire.answer().status == 200
    assert recorder.last("/open/told").all("X-Forwarded-For") == ["198.51.100.7"]
    gateway.log_line(path="/open/told", client="198.51.100.7")
    killed = gateway.workers()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(gateway.workers()) - set(killed)) == 2, "other workers")
    with UnixWire(path) as wire:
        assert wire.send(b"GET /open/again HTTP/1.1\r\nHost: localhost\r\n\r\n").answer().status == 200
    assert gateway.stop() == 0
    assert not path.exists()


def test_only_what_is_stale_is_taken_away(path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    (taken,) = bind_unix(str(path), 1)
    taken.listen()
    with pytest.raises(EnvironmentFailure, match="another program listens"):
        bind_unix(str(path), 1)
    taken.close()
    path.unlink()
    path.write_text("precious")
    with pytest.raises(EnvironmentFailure, match="no socket"):
        bind_unix(str(path), 1)
    assert path.read_text() == "precious"
