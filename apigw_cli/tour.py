"""The tour of `apigw demo`: the sample gateway in a temporary folder, taken through the commands a user has.

Every step runs the real program as a subprocess, exactly as the line that is shown; the tour only narrates. A
step that ends with another exit code than it should stops the tour: a demonstration never hides a failure.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from apigw_cli.errors import ApigwError, EnvironmentFailure

KEY = "demo-alice"  # one of the two keys of the sample (specs/keys.yaml)
STARTUP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the tour: why it is run, its words after `apigw`, and the exit code that it must have."""

    why: str
    command: str
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports for the gateway, its admin interface and the sample upstream."""

    gateway: int
    admin: int
    upstream: int


def free_ports() -> Ports:
    """Three ports that nobody listens on at this moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = Ports(*(s.getsockname()[1] for s in sockets))
    for listener in sockets:
        listener.close()
    return ports


def prepare(folder: Path, ports: Ports) -> None:
    """Let the copy of the sample in `folder` find its upstream on a port that is free on this machine."""
    for stage in sorted((folder / "stages").glob("*.yaml")):
        text = stage.read_text()
        for port in (9001, 9002):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ports.upstream}")
        stage.write_text(text)


def opening(folder: Path) -> list[Step]:
    return [
        Step("The specification, the configuration and the stages: are they sound?", "lint"),
        Step("What the gateway will answer, and with which policies.", "routes"),
        Step("Why does a request do what it does? Every value has its file and line.", "explain GET /v1/pets/7"),
    ]


def measuring(ports: Ports) -> list[Step]:
    pets = f"http://127.0.0.1:{ports.gateway}/v1/pets"
    body = shlex.quote('{"name": "Rex", "tag": "dog"}')
    return [
        Step(
            "createPet is declared with 5 requests a second and a burst of 5. Far more than that is sent, from two "
            "processes,\nto a gateway of two processes. Does the limit hold over all of them?",
            f"bench {pets} -X POST -d {body} -H 'Content-Type: application/json' -H 'X-Api-Key: {KEY}' "
            "--workers 2 --concurrency 32 --duration 4s --warmup 0s --verify-limits "
            "--quiet-header 'X-Api-Key: demo-bob'",
        )
    ]


def promoting() -> list[Step]:
    return [
        Step("What would promoting qa change for prod?", "diff qa prod"),
        Step("Promote it. The release is immutable; prod's pointer moves in one step.", "promote qa prod --yes"),
    ]


def weakening() -> list[Step]:
    return [
        Step("Someone raises the limit of createPet tenfold and deploys that to qa …", "deploy qa --yes"),
        Step(
            "… and wants it in prod. A change that weakens the protection needs a reason: exit code 4, nothing moved.",
            "promote qa prod --yes",
            expected=4,
        ),
        Step("What happened to prod, newest first.", "history prod"),
    ]


def weaken(folder: Path) -> None:
    """Raise createPet's limit in the copy."""
    config = folder / "apigw.yaml"
    config.write_text(config.read_text().replace("rate: 5/s, burst: 5", "rate: 50/s, burst: 5"))


def run(folder: Path, say: Callable[[str], None], head: Callable[[str, str], None]) -> None:
    """Take the tour in `folder`, which holds a copy of the sample.

    `say` prints a line; `head` prints why a step is taken and its command. Raises ApigwError where a step fails.
    """
    ports = free_ports()
    prepare(folder, ports)
    for step in opening(folder):
        take(step, folder, say, head)
    serve = f"serve --workers 2 --upstream --port {ports.gateway} --admin-port {ports.admin} --access-log off"
    head("Start the sample upstream and the gateway, with two workers.", f"apigw {serve} &")
    with background(serve, folder, ports, say):
        _try_it(ports, say)
        for step in measuring(ports):
            take(step, folder, say, head)
    say("The gateway and the upstream have stopped.")
    for step in promoting():
        take(step, folder, say, head)
    weaken(folder)
    for step in weakening():
        take(step, folder, say, head)


def take(step: Step, folder: Path, say: Callable[[str], None], head: Callable[[str, str], None]) -> None:
    """Run one step and print what it printed."""
    head(step.why, f"apigw {step.command}")
    sys.stdout.flush()
    done = subprocess.run(
        [sys.executable, "-m", "apigw_cli.cli.app", *shlex.split(step.command)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "110"},
        timeout=60,
        check=False,
    )
    say(done.stdout.rstrip())
    if done.returncode != step.expected:
        raise ApigwError(
            f"the tour stopped: apigw {step.command} ended with {done.returncode}, expected {step.expected}",
            hint="its output above says why",
        )


@contextmanager
def background(command: str, folder: Path, ports: Ports, say: Callable[[str], None]) -> Iterator[None]:
    """Run the gateway while the block runs; it and all that it started are gone afterwards."""
    log = folder / "serve.log"
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "apigw_cli.cli.app", *shlex.split(command)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
    try:
        _wait_ready(process, ports, log)
        say(log.read_text(encoding="utf-8").rstrip())
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], ports: Ports, log: Path) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports.admin}/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise EnvironmentFailure("the gateway did not start", hint=log.read_text(encoding="utf-8").strip())


def _try_it(ports: Ports, say: Callable[[str], None]) -> None:
    """One request without a key and one with: what a caller sees."""
    url = f"http://127.0.0.1:{ports.gateway}/v1/pets/7"
    say("")
    say(f"$ curl {url}")
    say(_get(url, {}))
    say(f"$ curl -H 'X-Api-Key: {KEY}' {url}")
    say(_get(url, {"X-Api-Key": KEY}))


def _get(url: str, headers: dict[str, str]) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return f"{answer.status}  {answer.read().decode().strip()}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}  {error.read().decode().strip()}"
