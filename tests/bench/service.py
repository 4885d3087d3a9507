"""``python -m tests.bench.service``: what the report and the daemon take when there is much in the store."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

from scanner.register import DATA_CLASSES
from scanner.verdict import LOCATIONS
from tests.bench import machine, memory, table
from tests.bench.claim import Claim, Evidence, fact
from tests.bench.programs.store import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT: Final = Path(__file__).parents[2]
_README: Final = _ROOT / "config" / "README.md"
_SARHAD: Final = Path(sys.executable).with_name("sarhad")
_ENDPOINTS: Final = 10_000
_VANTAGES: Final = 6
_RUNS: Final = 30
_REPORTS: Final = 3
_ASKED: Final = 9
_DEADLINE_S: Final = 300.0
_FILL_S: Final = 1800.0
_PAUSE_S: Final = 0.02  # between one look at the health and the next
_SCRAPE_S: Final = 1.0  # between one scrape and the next, while the page is rendered
_NEVER: Final = "0 0 29 2 *"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PLAIN: Final[Mapping[str, str]] = {}
_GZIP: Final[Mapping[str, str]] = {"Accept-Encoding": "gzip"}
_METRICS: Final = "/metrics"
_PAGE: Final = "/"
_SAME: Final = f"{_PAGE}, which has not changed (304)"
_HEALTH: Final = "/-/healthy, while the page is rendered"
_SCRAPED: Final = "/metrics, gzip, while the page is rendered"
_LAST: Final = "sarhad report last"


def _packed(path: str) -> str:
    return f"{path}, gzip"


def _within_1_s(what: str, which: str = "median") -> Claim:
    return Claim(f"{what}, {which}", "≤", 1000, fact(f"{what}: {which}, ms"), "{:,.1f} ms")


_CLAIMS: Final = {
    "report": (
        Claim("HTML of the last run, the whole process", "≤", 10, fact(f"{_LAST}: wall, s"), "{:.2f} s"),
    ),
    "daemon": (
        *map(_within_1_s, (_METRICS, _packed(_METRICS))),
        _within_1_s(_SCRAPED, "worst"),
        *map(_within_1_s, (_PAGE, _packed(_PAGE), _SAME)),
    ),
}
_ABOUT: Final = (
    "`make bench-service` fills a store with runs of one random world, writes the report of the last as "
    "`sarhad report` does, has `sarhad daemon` serve the same store, and puts here what was met and what was "
    "measured."
)
_LEGEND: Final = (
    "{endpoints:,} endpoints seen by {vantages} vantages, {runs} runs of them in a new SQLite store of "
    "{store:,.0f} MB; in each another fiftieth of the endpoints is judged otherwise. Medians: of {reports} "
    "reports, each a process of its own; of {asked} answers of one daemon, each over a connection of its "
    "own, from the request to the last octet. The daemon is ready before it has a page: who asks at once "
    "waits until the first is rendered, and while that goes on it is asked for its health again {pause:.0f} "
    "ms after each answer, and is scraped every second. CPU is what the process used meanwhile."
)


class BenchError(Exception):
    """Something could not be measured; the message says what."""


class Answer(NamedTuple):
    """What came of a request, and the seconds from its beginning to the last octet."""

    status: int
    body: bytes
    tag: str
    took_s: float


def main(arguments: list[str]) -> int:
    """Measure and print; 0 whatever was found, 1 if it could not be, 2 for wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser("python -m tests.bench.service", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=_ENDPOINTS, metavar="N", help="(%(default)s)")
    parser.add_argument("--runs", type=int, default=_RUNS, metavar="N", help="in the store (%(default)s)")
    parser.add_argument("--write-readme", action="store_true", help="put the tables into config/README.md")
    given = parser.parse_args(arguments)
    if min(given.endpoints, given.runs) < 1:
        parser.error("there is nothing to measure without an endpoint and a run")
    if given.write_readme and (given.endpoints, given.runs) != (_ENDPOINTS, _RUNS):
        parser.error("README's tables are those of the whole: --write-readme goes with no other option")
    try:
        with tempfile.TemporaryDirectory(prefix="sarhad-bench-") as directory:
            evidence = measure(Path(directory), given.endpoints, given.runs)
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    text = document(machine.here(), given.endpoints, given.runs, evidence)
    sys.stdout.write(text)
    if given.write_readme:
        placed = table.placed(_README.read_text(encoding="utf-8"), text, table.SERVICE)
        _README.write_text(placed, encoding="utf-8")
    return 0


def measure(directory: Path, endpoints: int, runs: int, reports: int = _REPORTS) -> dict[str, Evidence]:
    """What was found of the report, and of the daemon, as facts; ``runs`` are those in the store."""
    fill(directory, endpoints, runs)
    store = (directory / PLACE).stat().st_size
    report = {"store: size, MB": store / 1e6, **dict(_reported(directory, reports))}
    return {"report": Evidence({}, report), "daemon": Evidence({}, dict(_served(directory, endpoints)))}


def fill(directory: Path, endpoints: int, runs: int) -> None:
    """Have a process fill the store: what it takes for that is not to be counted with anything else."""
    _tell("filling a store")
    program = [sys.executable, "-m", "tests.bench.programs.store", str(directory)]
    numbers = [str(number) for number in (endpoints, _VANTAGES, runs)]
    try:
        subprocess.run([*program, *numbers], check=True, timeout=_FILL_S, cwd=_ROOT)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the store was not filled within {_FILL_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise BenchError(f"filling the store ended with {error.returncode}") from error


def _reported(directory: Path, reports: int) -> Iterator[tuple[str, float]]:
    page = directory / "page.html"
    command = [
        str(_SARHAD),
        "report",
        "last",
        f"--store={directory / PLACE}",
        "--format=html",
        f"--output={page}",
    ]
    found = []
    for _ in range(reports):
        _tell("reporting")
        found.append(_spent(subprocess.Popen(command)))
    yield f"{_LAST}: wall, s", median(wall_s for wall_s, _, _ in found)
    yield f"{_LAST}: CPU, s", median(cpu_s for _, cpu_s, _ in found)
    yield f"{_LAST}: memory at most, MB", median(octets for _, _, octets in found) / 1e6
    yield f"{_LAST}: file, MB", page.stat().st_size / 1e6


def _spent(process: subprocess.Popen[bytes]) -> tuple[float, float, int]:
    """Seconds of wall clock until a process has ended well, and all that it used: seconds of CPU, octets."""
    started = time.perf_counter()
    late = threading.Timer(_DEADLINE_S, process.kill)
    late.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    finally:
        late.cancel()
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{process.args!r} ended with {process.returncode} after {wall_s:.0f} s")
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024  # KiB, getrusage(2)


class Daemon:
    """``sarhad daemon`` on a port of its own; once :meth:`begin` has returned it is ready."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "log"
        config = directory / "daemon.yaml"
        given = {
            "version": 1,
            "register": "register.yaml",
            "vantages": "vantages.yaml",
            "geodata": "geodata",
            "store": PLACE,
            "schedules": dict.fromkeys(DATA_CLASSES, _NEVER),
            "listen": {"port": 0},
        }
        config.write_text(yaml.safe_dump(given), encoding="utf-8")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([_SARHAD, "daemon", f"--config={config}"], stderr=log)
        self._port = 0

    def begin(self) -> None:
        """Wait until it is ready."""
        deadline = time.monotonic() + _DEADLINE_S
        ready = False
        while not ready:
            time.sleep(_PAUSE_S)
            if self._process.poll() is not None:
                raise BenchError(f"the daemon ended: {self._log.read_text(encoding='utf-8')[-1000:]}")
            if time.monotonic() > deadline:
                raise BenchError(f"the daemon was not ready within {_DEADLINE_S:.0f} s")
            with contextlib.suppress(BenchError):  # of one that ends just now: the next look says why
                ready = self._ready()

    def _ready(self) -> bool:
        """Asked of it as others ask, at the port that it logs."""
        for line in self._log.read_bytes().splitlines(keepends=True):
            if line.startswith(b"{") and line.endswith(b"\n"):
                said = json.loads(line)
                self._port = said["port"] if said["event"] == "serving" else self._port
        return bool(self._port) and self.get("/-/ready", expected=(200, 503)).status == 200

    def get(
        self, path: str, headers: Mapping[str, str] = _PLAIN, expected: tuple[int, ...] = (200,)
    ) -> Answer:
        """Its answer, over a new connection."""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_DEADLINE_S)
        try:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"GET {path}: {error!r}") from error
        finally:
            connection.close()
        took_s = time.perf_counter() - started
        if response.status not in expected:
            raise BenchError(f"GET {path}: {response.status} {body[:200]!r}")
        return Answer(response.status, body, response.headers.get("ETag", ""), took_s)

    def cpu_s(self) -> float:
        """What it used until now."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        words = text.rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS

    def octets(self, name: str) -> int:
        """Its memory (see :func:`memory.octets`)."""
        return memory.octets(name, self._process.pid)

    def end(self) -> float:
        """Seconds from SIGTERM until it was gone."""
        self._process.send_signal(signal.SIGTERM)
        return _spent(self._process)[0]

    def kill(self) -> None:
        """End it however far it is; nothing where it has ended."""
        self._process.kill()
        self._process.wait()


def _served(directory: Path, endpoints: int) -> Iterator[tuple[str, float]]:
    _tell("starting the daemon")
    started = time.perf_counter()
    daemon = Daemon(directory)
    try:
        daemon.begin()
        ready_s, used_s = time.perf_counter() - started, daemon.cpu_s()
        first, meanwhile_s = _first_page(daemon)
        yield "start until it is ready: wall, s", ready_s
        yield "start until it is ready: CPU, s", used_s
        yield "from there to the first page: wall, s", first.took_s
        yield "from there to the first page: CPU, s", daemon.cpu_s() - used_s
        _tell("asking")
        for name, times_s in meanwhile_s.items():
            yield from _of(name, times_s)
        yield from _asked(daemon, first, endpoints)
        yield "when all was asked: memory, MB", daemon.octets("VmRSS") / 1e6
        yield "when all was asked: memory at most, MB", daemon.octets("VmHWM") / 1e6
        yield "SIGTERM until its end: wall, s", daemon.end()
    finally:
        daemon.kill()


def _first_page(daemon: Daemon) -> tuple[Answer, dict[str, list[float]]]:
    """The first page, and how many seconds other answers took while it was rendered."""
    there = threading.Event()

    def look(path: str, pause_s: float) -> list[float]:
        looks_s = [daemon.get(path, _GZIP).took_s]
        while not there.wait(pause_s):
            looks_s.append(daemon.get(path, _GZIP).took_s)
        return looks_s

    with ThreadPoolExecutor() as pool:
        health = pool.submit(look, "/-/healthy", _PAUSE_S)
        scrapes = pool.submit(look, _METRICS, _SCRAPE_S)
        try:
            first = daemon.get(_PAGE)
        finally:
            there.set()
        return first, {_HEALTH: health.result(), _SCRAPED: scrapes.result()}


def _asked(daemon: Daemon, first: Answer, endpoints: int) -> Iterator[tuple[str, float]]:
    """Answers of each kind, by turns."""
    kinds: dict[str, tuple[str, Mapping[str, str], int]] = {
        _METRICS: (_METRICS, _PLAIN, 200),
        _packed(_METRICS): (_METRICS, _GZIP, 200),
        _PAGE: (_PAGE, _PLAIN, 200),
        _packed(_PAGE): (_PAGE, _GZIP, 200),
        _SAME: (_PAGE, {"If-None-Match": first.tag}, 304),
    }
    took_s: dict[str, list[float]] = {name: [] for name in kinds}
    sizes: dict[str, int] = {}
    for _ in range(_ASKED):
        for name, (path, headers, expected) in kinds.items():
            answer = daemon.get(path, headers, (expected,))
            took_s[name].append(answer.took_s)
            sizes[name] = len(answer.body)
            if name == _METRICS:
                _complete(answer.body, endpoints)
    for name, times in took_s.items():
        yield from _of(name, times)
        yield f"{name}: size, MB", sizes[name] / 1e6


def _complete(metrics: bytes, endpoints: int) -> None:
    """A scrape that leaves endpoints out is quick."""
    series = metrics.count(b"\nresidency_endpoint_location{")
    if series != endpoints * len(LOCATIONS):
        raise BenchError(f"{_METRICS} has {series} locations of {endpoints} endpoints")


def _of(name: str, times_s: list[float]) -> Iterator[tuple[str, float]]:
    ordered = sorted(times_s)
    yield f"{name}: answers", len(ordered)
    yield f"{name}: median, ms", median(ordered) * 1e3
    if len(ordered) >= 100:
        yield f"{name}: p99, ms", ordered[int(len(ordered) * 0.99)] * 1e3
    yield f"{name}: worst, ms", ordered[-1] * 1e3


def _tell(what: str) -> None:
    sys.stderr.write(f"{what} …\n")


def document(described: str, endpoints: int, runs: int, evidence: Mapping[str, Evidence]) -> str:
    """What is put into README: what was asked, and then all that was measured."""
    report = dict(evidence["report"].facts)
    legend = _LEGEND.format(
        endpoints=endpoints,
        vantages=_VANTAGES,
        runs=runs,
        store=report.pop("store: size, MB"),
        reports=_REPORTS,
        asked=_ASKED,
        pause=_PAUSE_S * 1e3,
    )
    played = [(kind, "", _CLAIMS[kind], found) for kind, found in evidence.items()]
    about, legend = ("\n".join(textwrap.wrap(text, 118)) + "\n" for text in (_ABOUT, legend))
    served = evidence["daemon"].facts
    answers = {name: value for name, value in served.items() if name.startswith("/")}
    others = {name: value for name, value in served.items() if not name.startswith("/")}
    parts = [about, table.summary(f"{described}.", played, "of"), legend]
    for what, facts in (("process", report), ("daemon", others), ("answer", answers)):
        parts.append("\n".join(table.facts(what, Evidence({}, facts))) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
