"""A running world: start it, use its vantages' namespaces, stop it.

>>> with Simnet(load_world(Path("pakistan.yaml"))) as net:  # doctest: +SKIP
...     net.vantages["khi"]
'/run/netns/sim-khi'
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml

from probes.simnet import kernel, processes, sandbox
from probes.simnet.sandbox import SandboxError
from probes.simnet.topology import Topology, TopologyError

if TYPE_CHECKING:
    from types import TracebackType

    from probes.simnet.processes import Serve
    from probes.simnet.world import World

START_SECONDS = 30.0
STOP_SECONDS = 10.0


class SimnetError(Exception):
    """A world did not start, or did not last; the message says which part and why."""


def shipped_world() -> Path:
    """The file of the world that comes with this package."""
    return Path(__file__).with_name("worlds") / "pakistan.yaml"


class Simnet:
    """A world of real packets; a context manager, or ``start`` and ``stop``.

    Needs root, or :func:`probes.simnet.sandbox.enter` before it. ``sites`` are the network namespaces of all
    sites by id, as paths, and ``vantages`` those of the vantages: inside the sandbox names under
    ``/run/netns`` (``sim-`` and the id), else of the form ``/proc/PID/ns/net``. ``directory`` (a temporary
    one that ends with the world, unless given) holds what users of the world need: ``vantages.yaml``,
    ``register.yaml``, ``databases.json``, ``ca.pem``, ``truth.json`` and the log of its processes,
    ``simnet.log``.
    ``serve`` runs the services of a farm, :func:`probes.simnet.hosts.serve` unless given.
    """

    def __init__(self, world: World, directory: Path | None = None, *, serve: Serve | None = None) -> None:
        self.world = world
        self.sites: dict[str, str] = {}
        self._given = directory
        self._directory: Path | None = directory
        self._serve = serve
        self._keeper = self._hold = self._reports = -1
        self._pending = b""
        self._mounted: list[str] = []

    @property
    def vantages(self) -> dict[str, str]:
        return {vantage.id: self.sites[vantage.id] for vantage in self.world.vantages}

    @property
    def directory(self) -> Path:
        if self._directory is None:
            raise SimnetError("the world is not running")
        return self._directory

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self.stop()
        if failure is not None and kind is None:
            raise SimnetError(failure)

    def start(self) -> None:
        """Start everything; a SimnetError says what did not, a SandboxError what the machine lacks."""
        if os.geteuid() != 0:
            raise SandboxError(
                "a world needs root or, before it starts, a sandbox (probes.simnet.sandbox.enter)"
            )
        sandbox.check()
        try:
            topology = Topology(self.world)
        except TopologyError as error:
            raise SimnetError(str(error)) from error
        serve, credentials = self._services()
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="sarhad-simnet-"))
        own = self._directory if self._given is None else None
        self._directory.mkdir(parents=True, exist_ok=True)
        work = processes.Work(topology, credentials, serve, self._directory / "simnet.log", own)
        try:
            self._keeper, self._hold, self._reports = processes.start(work)
            self._await_sites()
            self._write(getattr(credentials, "ca_pem", b""))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> str | None:
        """End every process and namespace of the world; what had failed by then, if anything."""
        for name in reversed(self._mounted):
            with contextlib.suppress(OSError):
                kernel.unmount(name)
                Path(name).unlink()
        self._mounted.clear()
        failure = None
        if self._keeper > 0:
            os.close(self._hold)
            failure = self._failure()
            os.close(self._reports)
            _reap(self._keeper)
            self._keeper = self._hold = self._reports = -1
        if self._given is None and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)  # the keeper did, if it could
            self._directory = None
        self.sites = {}
        return failure

    def _services(self) -> tuple[Serve, Any]:
        if self._serve is not None:
            return self._serve, None
        from probes.simnet import authority, hosts  # noqa: PLC0415 worlds without services start without them

        return hosts.serve, authority.issue(self.world)

    def _await_sites(self) -> None:
        waiting = {"router", *self.world.sites}
        pids: dict[str, int] = {}
        deadline = time.monotonic() + START_SECONDS
        while waiting:
            message = self._report(deadline)
            if message is None:
                raise SimnetError(
                    f"the world did not start in time; waiting for {', '.join(sorted(waiting))}"
                )
            if "failed" in message:
                raise SimnetError(_failed(message))
            if "pid" in message:
                pids[message["site"]] = message["pid"]
            waiting.discard(message.get("ready", ""))
        for site, pid in pids.items():
            self.sites[site] = self._offer(f"sim-{site}", f"/proc/{pid}/ns/net")

    def _offer(self, name: str, path: str) -> str:
        """The namespace at ``path`` under its name where the sandbox can do that, else as it is."""
        if not sandbox.named():
            return path
        target = sandbox.NAMES / name
        target.touch()
        kernel.mount(path, str(target), flags=kernel.MS_BIND)
        self._mounted.append(str(target))
        return str(target)

    def _report(self, deadline: float) -> dict[str, Any] | None:
        """The next report of the processes; None if there is none in time or they are gone."""
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._reports], [], [], left)[0]:
                return None
            octets = os.read(self._reports, 65_536)
            if not octets:
                return None
            self._pending += octets
        line, self._pending = self._pending.split(b"\n", 1)
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def _failure(self) -> str | None:
        """What the processes still had to say; waits until all of them are gone."""
        deadline = time.monotonic() + STOP_SECONDS
        failure = None
        while (message := self._report(deadline)) is not None:
            if failure is None and "failed" in message:
                failure = _failed(message)
        return failure

    def _write(self, ca_pem: bytes) -> None:
        files = {"vantages.yaml": _yaml({"vantages": [self._vantage(v.id) for v in self.world.vantages]})}
        if self.world.register_ is not None:
            files["register.yaml"] = _yaml(self.world.register_)
        truth = {endpoint: answer.model_dump() for endpoint, answer in self.world.truth.items()}
        files["truth.json"] = json.dumps(truth, indent=1, ensure_ascii=False)
        if self._serve is None:
            from probes.simnet import databases  # noqa: PLC0415 as in _services

            files["databases.json"] = json.dumps(databases.describe(self.world), indent=1, ensure_ascii=False)
        for name, text in files.items():
            (self.directory / name).write_text(text, encoding="utf-8")
        if ca_pem:
            (self.directory / "ca.pem").write_bytes(ca_pem)

    def _vantage(self, identity: str) -> dict[str, Any]:
        vantage = next(each for each in self.world.vantages if each.id == identity)
        place = self.world.places[vantage.place]
        path = self.sites[identity]
        entry: dict[str, Any] = {
            "id": identity,
            "city": place.city,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "location_error_km": vantage.location_error_km,
            "kind": "local",
            "netns": Path(path).name if path.startswith(str(sandbox.NAMES)) else path,
            "addresses": list(vantage.addresses),
        }
        if vantage.network is not None:
            entry["network"] = vantage.network
        if self.world.dns is not None:
            entry["resolvers"] = [self.world.dns.resolver]
        return entry


def _failed(message: dict[str, Any]) -> str:
    part = message["failed"]
    return f"{part}: {message['reason']}" if part else str(message["reason"])


def _reap(keeper: int) -> None:
    """Wait for the keeper, which ends by itself; kill it when it does not."""
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ChildProcessError):  # somebody else waits for all children
        while os.waitpid(keeper, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(keeper, signal.SIGKILL)
                os.waitpid(keeper, 0)
                return
            time.sleep(0.002)


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
