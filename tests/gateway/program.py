"""The real program, started as a person would, and what is needed to speak to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds that anything may take on a machine that is busy with other tests


def wait_until(condition: Callable[[], Any], what: str = "condition", seconds: float = PATIENCE) -> Any:
    """Poll until `condition` gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")


class Gateway:
    """`apigw serve` in a folder of its own, on free ports."""

    def __init__(self, folder: Path, *arguments: str, stdout: int | None = None) -> None:
        self.folder = folder
        self.log = folder / "access.log"
        self.lines: list[str] = []
        extra = [] if "--access-log" in arguments else ["--access-log", str(self.log)]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "apigw_cli.cli.app",
                "serve",
                "--port",
                "0",
                "--admin-port",
                "0",
                *extra,
                *arguments,
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def ready(self) -> Gateway:
        """Wait until it serves; one that does not is not left running."""
        try:
            self.line("Ctrl-C drains and stops")
        except AssertionError:
            self.stop()
            raise
        return self

    def line(self, pattern: str, after: int = 0) -> str:
        """Wait for a line on stderr that matches, after the first `after` lines."""

        def find() -> str | None:
            found = next((line for line in self.lines[after:] if re.search(pattern, line)), None)
            if found is None and self.process.poll() is not None:
                self._reader.join(5)
                found = next((line for line in self.lines[after:] if re.search(pattern, line)), None)
                assert found is not None, "the gateway ended: " + "\n".join(self.lines)
            return found

        try:
            return str(wait_until(find, f"a line like {pattern!r}"))
        except AssertionError as error:
            raise AssertionError(f"{error}; there is\n" + "\n".join(self.lines)) from None

    @property
    def port(self) -> int:
        return int(re.findall(r"https?://[\w.*-]+:(\d+)", "\n".join(self.lines))[0])

    @property
    def admin_port(self) -> int:
        return int(re.search(r"admin\s+http\s+http://127\.0\.0\.1:(\d+)", "\n".join(self.lines))[1])  # type: ignore[index]

    def admin(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
            if found and all(f'{key}="{value}"' in (found[1] or "") for key, value in labels.items()):
                total += float(found[2])
        return total

    def counts(self, expected: float, name: str, **labels: str) -> bool:
        """Wait until a metric is so: a worker accounts for a request after it has written the answer."""
        seen = 0.0

        def reached() -> bool:
            nonlocal seen
            seen = self.metric(name, **labels)
            return seen == expected

        try:
            return bool(wait_until(reached, f"{name} {labels}"))
        except AssertionError as error:
            raise AssertionError(f"{error}: it is {seen:g} and not {expected:g}") from None

    def logged(self) -> list[dict[str, Any]]:
        whole = self.log.read_text().rpartition("\n")[0] if self.log.exists() else ""  # the last line may be half there
        return [json.loads(line) for line in whole.splitlines()]

    def log_line(self, **fields: Any) -> dict[str, Any]:
        """Wait for a line of the access log with these fields."""

        def find() -> dict[str, Any] | None:
            found = (line for line in self.logged() if all(line[key] == value for key, value in fields.items()))
            return next(found, None)

        line: dict[str, Any] = wait_until(find, f"a log line with {fields}")
        return line

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "gateway.worker"], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """End it as an operator would, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return self.process.returncode
