"""The public HTTP cache conformance suite (npm package http-cache-tests) against `apigw serve` with a cache.

    npm install --prefix DIR http-cache-tests
    python benchmarks/cache_conformance.py --node-modules DIR/node_modules

Starts the suite's server, apigw in front of it (one worker, the policy `cache` as it is by default) and the suite's
own client; prints the share of required and optimal cases that passed, and with --verbose those that did not. A case
counts as passed as on cache-tests.fyi: its result is true, and so are the cases that it depends on. Exit code 4
where a share is below --required or --optimal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from running import APIGW, free_port, need, running, until_listening

CASES = """
import fs from 'fs'
const suites = [...(await import(process.cwd() + '/tests/index.mjs')).default]
for (const more of ['surrogate-control', 'cdn-cache-control']) {
  const file = process.cwd() + `/tests/${more}.mjs`
  if (!fs.existsSync(file)) continue
  const suite = (await import(file)).default
  if (!suites.some(one => one.id === suite.id)) suites.push({ ...suite, apart: true })
}
console.log(JSON.stringify(suites.flatMap(suite => suite.tests.filter(test => !test.browser_only).map(test => (
  { id: test.id, kind: test.kind || 'required', needs: test.depends_on || [], suite: suite.id, apart: !!suite.apart }
)))))
"""


def main() -> None:
    options = _options()
    need("node")
    package = options.node_modules / "http-cache-tests"
    if not (_engine(package) / "cli.mjs").is_file():
        sys.exit(f"{package} is not there: npm install --prefix DIR http-cache-tests")
    with tempfile.TemporaryDirectory() as folder:
        results = _run(package, Path(folder), options.id)
    if options.id:
        return
    cases = json.loads(_node(package, ["--input-type=module", "-e", CASES]))
    shares = _report(cases, results, options.verbose)
    if shares["required"] < options.required or shares["optimal"] < options.optimal:
        sys.exit(4)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--node-modules", type=Path, required=True, help="the folder that holds http-cache-tests")
    parser.add_argument("--id", default="", help="one case only, with all that is sent")
    parser.add_argument("--verbose", action="store_true", help="name the cases that did not pass")
    parser.add_argument("--required", type=float, default=90, help="least share of required cases, in percent")
    parser.add_argument("--optimal", type=float, default=72, help="least share of optimal cases, in percent")
    options = parser.parse_args()
    options.node_modules = options.node_modules.resolve()
    return options


def _run(package: Path, folder: Path, case: str) -> dict[str, Any]:
    origin, port = free_port(), free_port()
    environment = {
        "npm_config_protocol": "http",
        "npm_config_port": str(origin),
        "npm_config_pidfile": str(folder / "pid"),
        "npm_config_base": f"http://127.0.0.1:{port}",
        "npm_config_id": case,
        "npm_package_config_id": "",
    }
    os.environ.update(environment)
    _write(folder, origin)
    server = ["node", str(_engine(package) / "server" / "server.mjs")]
    gateway = [*APIGW, "serve", "-c", str(folder / "apigw.yaml"), "--port", str(port), "--admin-port", "0"]
    gateway += ["--access-log", "off", "--no-watch"]
    with running(server, folder / "server.log") as one, running(gateway, folder / "gateway.log") as other:
        if not (until_listening(origin, one) and until_listening(port, other)):
            sys.exit((folder / "server.log").read_text() + (folder / "gateway.log").read_text())
        said = _node(package, ["--no-warnings", str(_engine(package) / "cli.mjs")])
    if case:
        print(said)
        return {}
    results: dict[str, Any] = json.loads(said)
    return results


def _engine(package: Path) -> Path:
    """Where client and server are: later editions have a folder for them."""
    return package / "test-engine" if (package / "test-engine").is_dir() else package


def _node(package: Path, arguments: list[str]) -> str:
    found = subprocess.run(["node", *arguments], cwd=package, capture_output=True, text=True, timeout=600, check=False)
    if found.returncode:
        sys.exit(found.stderr)
    return found.stdout


def _write(folder: Path, origin: int) -> None:
    answer = {"default": {"description": "Whatever the suite's server says."}}
    operations = {"x-amazon-apigateway-any-method": {"operationId": "any", "responses": answer}}
    path = {"parameters": [{"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}]}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Anything", "version": "1"},
        "paths": {"/{path+}": {**path, **operations}},
    }
    (folder / "any.json").write_text(json.dumps(document))
    (folder / "apigw.yaml").write_text(
        "version: 1\n"
        "apis: {any: {spec: any.json, upstream: origin, defaults: {cache: {}}}}\n"
        f'upstreams: {{origin: {{targets: ["http://127.0.0.1:{origin}"]}}}}\n'
    )


def _report(cases: list[dict[str, Any]], results: dict[str, Any], verbose: bool) -> dict[str, float]:
    by_id = {case["id"]: case for case in cases}

    def passed(name: str) -> bool:
        return results.get(name) is True and all(passed(one) for one in by_id[name]["needs"])

    shares = {}
    for kind, apart in (("required", False), ("optimal", False), ("required", True), ("optimal", True)):
        of_kind = [case for case in cases if case["kind"] == kind and case["apart"] == apart]
        good = sum(passed(case["id"]) for case in of_kind)
        share = 100 * good / max(len(of_kind), 1)
        shares.setdefault(kind, share)
        print(f"{kind:9} {good:4} of {len(of_kind):4}  {share:5.1f} %{'  (targeted fields)' if apart else ''}")
        for case in of_kind if verbose else ():
            if not passed(case["id"]):
                print(f"    {case['suite']}: {case['id']}: {results.get(case['id'])}")
    return shares


if __name__ == "__main__":
    main()
