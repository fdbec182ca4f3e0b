"""What the benchmarks share: programs started on this machine, and what /proc says of them. Needs Linux."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

APIGW = [sys.executable, "-m", "apigw_cli.cli.app"]
START_SECONDS = 30
MIB = 1 << 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def find(program: str, folders: Sequence[Path] = ()) -> str | None:
    """Where a program is: in one of the folders, beside this Python, or on the PATH."""
    for folder in (*folders, Path(sys.executable).parent):
        if (folder / program).is_file():
            return str(folder / program)
    return shutil.which(program)


def need(*programs: str) -> None:
    """Ends the script where one is not installed."""
    if missing := [one for one in programs if find(one) is None]:
        sys.exit(f"{', '.join(missing)}: needed and not installed")


def until_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether somebody listens on the port, in time and before the process ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, cpu: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program on that CPU (or any), until the block ends; what it says goes to `log`."""
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    with log.open("wb") as said:
        process = subprocess.Popen([*pinned, *command], stdout=said, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> int:
    """SIGTERM, and SIGKILL where that does not do. The exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(20)


class Gateway:
    """`apigw serve` in a folder of files, on free ports, ready to be asked."""

    def __init__(
        self, folder: Path, *options: str, files: Mapping[str, str | bytes] | None = None, cpu: int | None = None
    ) -> None:
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        self.folder = folder
        pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
        command = [*pinned, *APIGW, "serve", "--port", "0", "--admin-port", "0", *options]
        out = (folder / "stdout").open("wb")
        self.process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True)
        out.close()
        self.said: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if "Ctrl-C drains" in line:
                break
        else:
            sys.exit("apigw serve did not start:\n" + "\n".join(self.said))
        threading.Thread(target=self._read, daemon=True).start()
        ports = [int(one) for one in re.findall(r"https?://[\w.]+:(\d+)", "\n".join(self.said))]
        self.port, self.admin_port = ports[0], ports[-1]

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line.rstrip() for line in self.process.stderr)

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)

    def admin(self, method: str, path: str, body: bytes | None = None) -> int:
        """The status of the admin port's answer."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def workers(self) -> list[int]:
        """The workers' process ids, the oldest first."""
        mine = [pid for pid in children(self.process.pid) if b"apigw_cli.gateway.worker" in command_line(pid)]
        return sorted(mine, key=lambda pid: (_stat(pid)[19:20], pid))


def _stat(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat from its fourth field (the parent) on, with two dummies before; empty when gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [0, *map(int, fields[1:])]


def children(pid: int) -> list[int]:
    """Its direct children's process ids."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(one) for one in task.read_text().split()]
    return found


def tree(pid: int) -> list[int]:
    """The process and all that come of it."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and all that come of it, so far."""
    ticks = sum(sum(_stat(one)[11:13]) for one in tree(pid))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict[str, float]:
    """MiB: `rss`, and `pss`, in which a page that several processes share counts in equal shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name.lower(): int(size) / 1024 for name, size in re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE)}


def peak(pid: int) -> float:
    """The most MiB that were resident since the process began, or since `forget_peak`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
