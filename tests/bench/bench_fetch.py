#!/usr/bin/env python3
# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of fetching a file of 1 GB from a server on this machine: curl, and what brings models to the leader.

At 1 Gbit/s, which the server holds to, and at whatever speed there is. Drover computes the sha256 meanwhile and has the
disk take the file before it gets its name, so beside curl alone there is curl with `sync` and `sha256sum` after it. All
take turns in the same run.

Run as `python tests/bench/bench_fetch.py`.
"""

from __future__ import annotations

import os
import re
import shlex
import socketserver
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "plugins")]

from module_utils.gguf.store import sum_of  # noqa: E402

FILE_BYTES = 10**9
PIECE = 1 << 20
RATES = {"1 Gbit/s": 10**9 // 8, "unlimited": None}
TURNS = 3
DROVER = """
import sys
sys.path.insert(0, sys.argv[1])
from module_utils.gguf.download import download
download(sys.argv[2], sys.argv[3], sha256=sys.argv[4])
"""


@contextmanager
def server(path: Path, rate: int | None) -> Iterator[str]:
    """A process that gives the file at ``path``, and parts of it, at ``rate`` bytes a second; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first = int(wanted[1]) if wanted else 0
            end = int(wanted[2]) + 1 if wanted and wanted[2] else FILE_BYTES
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(end - first))
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{end - 1}/{FILE_BYTES}")
            self.end_headers()
            self.wfile.flush()
            began = time.monotonic()
            with path.open("rb") as file:
                for position in range(first, end, PIECE):
                    if rate:
                        time.sleep(max(0, began + (position - first) / rate - time.monotonic()))
                    self.connection.sendfile(file, position, min(PIECE, end - position))

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        child = os.fork()
        if child == 0:
            listening.serve_forever()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}/model.gguf"
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)


def ways(url: str, folder: Path, sha256: str) -> dict[str, list[str]]:
    """Name -> the command that fetches ``url``."""
    curl = ["curl", "--silent", "--fail", "--noproxy", "*", "--output", str(folder / "curl"), url]
    checked = f"{shlex.join(curl)} && sync {folder}/curl && sha256sum {folder}/curl"
    return {
        "curl": curl,
        "curl, sync, sha256sum": ["sh", "-c", checked],
        "Drover": [sys.executable, "-c", DROVER, str(ROOT / "plugins"), url, str(folder / "drover"), sha256],
    }


def seconds(command: list[str], folder: Path) -> float:
    """Wall time of one fetch into a folder that is empty before and afterwards; a failure ends the measurement."""
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "no_proxy": "*"})
    took = time.monotonic() - started
    for left in folder.iterdir():
        left.unlink()
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name, "fetched"), Path(name, "model.gguf")
        folder.mkdir()
        with model.open("wb") as file:
            for begin in range(0, FILE_BYTES, PIECE):
                file.write(os.urandom(min(PIECE, FILE_BYTES - begin)))
        sha256 = sum_of(str(model))
        print(f"{'server gives':14}{'way':26}{'MB/s':>8}{'of curl':>10}  medians of {TURNS}")
        for rate, limit in RATES.items():
            with server(model, limit) as url:
                commands = ways(url, folder, sha256)
                took: dict[str, list[float]] = {way: [] for way in commands}
                for _turn in range(TURNS):
                    for way, command in commands.items():
                        took[way].append(seconds(command, folder))
            medians = {way: statistics.median(times) for way, times in took.items()}
            for way, median in medians.items():
                print(f"{rate:14}{way:26}{FILE_BYTES / median / 1e6:8.0f}{medians['curl'] / median:10.0%}")
    print(f"This machine's load was {' '.join(map('{:.1f}'.format, os.getloadavg()))}.")


if __name__ == "__main__":
    main()
