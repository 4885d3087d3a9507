"""Prometheus and Alertmanager as they are, on loopback, and metrics that they can be given."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.document import Document
from scanner.metrics import RegisterCollector, RunCollector, Standing, StandingCollector, exposition
from scanner.register import parse_register
from tests.scanner.store import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from scanner.run import Run

# What the daemon of the runs in tests/scanner/store has registered.
REGISTER = {
    "version": 1,
    "country": "PK",
    "providers": [
        {
            "id": "indus",
            "name": "Indus",
            "accreditation": {"status": "accredited", "expires": "2099-12-31"},
            "services": [
                {
                    "id": "web",
                    "deployment": "government",
                    "data_class": "restricted",
                    "endpoints": ["portal.example"],
                }
            ],
        }
    ],
    "waivers": [{"endpoint": runs.ENDPOINT, "issuer": "Office", "reason": "test", "expires": "2099-12-31"}],
}
WAIT_S = 30


def exported(run: Run) -> str:
    """The metrics of a daemon whose last run is this."""
    register = parse_register(
        Document.parse(json.dumps(REGISTER).encode(), "register.yaml"), date(2026, 11, 1)
    )
    finished = datetime.fromisoformat(run.finished).timestamp()
    standing = Standing(
        scanning=False, reload_ok=True, reloaded_at=finished, covered={"restricted": finished}
    )
    collectors = (RunCollector(run), RegisterCollector(register), StandingCollector(standing))
    return exposition(*collectors).decode()


class Exporter:
    """A server of metrics that can be changed while it is scraped."""

    def __init__(self, text: str) -> None:
        self.text = text
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    @contextlib.contextmanager
    def serving(self) -> Iterator[Exporter]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(WAIT_S)


class Api:
    """The HTTP interface of a program on loopback."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{query}", timeout=WAIT_S) as answer:
            body = answer.read()
        return json.loads(body) if body.startswith((b"{", b"[")) else body

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant; raises ``urllib.error.HTTPError`` where the expression is wrong."""
        answer = self.get("/api/v1/query", query=expr)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


def until(look: Callable[[], Any], what: str) -> Any:
    """What ``look`` gives as soon as it is something; fails after ``WAIT_S``."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if found := look():
                return found
        time.sleep(0.1)
    raise AssertionError(f"not within {WAIT_S} s: {what}")


@contextlib.contextmanager
def program(directory: Path, *command: str | Path) -> Iterator[None]:
    """A program that runs while this does; what it says is in a file beside its data."""
    with (directory / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen([*command], stdout=log, stderr=subprocess.STDOUT, cwd=directory)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(WAIT_S)


@contextlib.contextmanager
def prometheus(directory: Path, port: int, config: Mapping[str, Any]) -> Iterator[Api]:
    """A Prometheus that is ready, with this configuration."""
    (directory / "prometheus.yaml").write_text(json.dumps(config))
    command = (
        "prometheus",
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=prometheus",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    api = Api(port)
    with program(directory, *command):
        until(lambda: api.get("/-/ready"), "Prometheus is ready")
        yield api


@contextlib.contextmanager
def alertmanager(directory: Path, port: int, config: Mapping[str, Any]) -> Iterator[Api]:
    """An Alertmanager that is ready, alone."""
    (directory / "alertmanager.yaml").write_text(json.dumps(config))
    command = (
        "prometheus-alertmanager",
        "--config.file=alertmanager.yaml",
        "--storage.path=alertmanager",
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    api = Api(port)
    with program(directory, *command):
        until(lambda: api.get("/-/ready"), "Alertmanager is ready")
        yield api
