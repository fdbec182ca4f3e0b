"""Run a module as a program that ends when its parent does: `python -m apigw_cli.gateway.tether MODULE ARGUMENTS`.

Its standard input is a pipe from the parent. The end of that pipe is the end of the parent, even after SIGKILL.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    threading.Thread(target=_watch, name="tether", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
