"""The processes of a running world, and that none outlives the one that started it.

::

    caller ─▶ keeper ─▶ supervisor (init of a PID namespace) ─▶ router, one process a site

The keeper holds a pipe from the caller; when that ends, however the caller ended, it kills the supervisor,
and with the init of a PID namespace the kernel kills everything inside; then what others have started in the
world's network namespaces, and, if the caller is gone, in its sandbox. The supervisor dies with the keeper.
Reports go to the caller as lines of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from probes.simnet import kernel, leftovers, netlink, sandbox
from probes.simnet.forwarding import forward
from probes.simnet.router import Router
from probes.simnet.world import Vantage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from probes.simnet.topology import Topology
    from probes.simnet.world import Farm, World

    Serve = Callable[[Farm, World, Any, Callable[[], None]], Coroutine[Any, Any, None]]

DEVICE = "sim0"
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
_REASON = 600  # characters of a failure that fit into one write to the pipe


@dataclass(frozen=True)
class Work:
    """What the processes need to know."""

    topology: Topology
    credentials: Any
    serve: Serve
    log: Path
    remove: Path | None  # a directory that ends with the world


def start(work: Work) -> tuple[int, int, int]:
    """Start a world's processes; the keeper's PID, the pipe that holds it alive, the pipe of its reports."""
    alive, hold = os.pipe2(os.O_CLOEXEC)
    reports, report = os.pipe2(os.O_CLOEXEC)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _guarded(partial(_keep, work, alive, report), report, None)
    os.close(alive)
    os.close(report)
    return pid, hold, reports


def _guarded(body: Callable[[], object], report: int, site: str | None) -> NoReturn:
    """Run the body of a forked process, which never returns into its parent's code."""
    status = 1
    try:
        body()
        status = 0
    except BaseException as error:  # noqa: BLE001 whatever it is, it must be reported and end here
        with contextlib.suppress(OSError):
            traceback.print_exc()
            sys.stderr.flush()
        inner = error
        while isinstance(inner, BaseExceptionGroup):
            inner = inner.exceptions[0]
        kind = "" if isinstance(inner, sandbox.SandboxError) else f"{type(inner).__name__}: "
        _tell(report, failed=site or "", reason=f"{kind}{inner}"[:_REASON])
    finally:
        os._exit(status)


def _tell(report: int, **message: str | int) -> None:
    with contextlib.suppress(OSError):
        os.write(report, json.dumps(message).encode() + b"\n")


def _keep(work: Work, alive: int, report: int) -> None:
    """The keeper: starts the supervisor and ends it with the caller."""
    caller = os.getppid()
    gc.freeze()  # what was inherited is not finalized here: its descriptors' numbers get new meanings
    os.setsid()  # a terminal's Ctrl-C is for the caller, which then stops the world in order
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    _only({alive, report}, work.log)
    held = leftovers.hold(("net", "mnt")) if sandbox.entered_by(caller) else []
    here, there = socket.socketpair()
    try:
        kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNS)
    except OSError as error:
        raise sandbox.SandboxError(sandbox.refused(error)) from error
    supervisor = os.fork()
    if supervisor == 0:
        os.close(alive)
        here.close()
        _guarded(partial(_supervise, work, report, there), report, None)
    os.close(report)
    there.close()
    _until_either_ends(alive, supervisor)
    leftovers.end(_received(here, len(work.topology.sites)) + ([] if os.getppid() == caller else held))
    if work.remove is not None:
        shutil.rmtree(work.remove, ignore_errors=True)


def _until_either_ends(alive: int, supervisor: int) -> None:
    """Wait for the caller's end, then end the supervisor; reap it also where it ended before."""
    handle = os.pidfd_open(supervisor)
    events = select.poll()
    events.register(alive, select.POLLHUP)
    events.register(handle, select.POLLIN)
    ended: set[int] = set()
    while alive not in ended:  # the one wait without a deadline: the caller's life is the deadline
        ended.update(descriptor for descriptor, _ in events.poll())
        if handle in ended or alive in ended:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                os.waitpid(supervisor, 0)  # returns when every process of the namespace is gone
            with contextlib.suppress(KeyError):
                events.unregister(handle)


def _received(there: socket.socket, most: int) -> list[int]:
    """The namespaces that the supervisor made and handed over."""
    found: list[int] = []
    there.settimeout(0)  # everything was sent before the supervisor ended
    with contextlib.suppress(OSError):
        while len(found) < most:
            octets, descriptors, _, _ = socket.recv_fds(there, 1, 1)
            if not octets:
                break
            found += descriptors
    return found


def _only(kept: set[int], log: Path) -> None:
    """Close what was inherited; the standard streams become nothing and the log."""
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 a list, as closing changes the directory
        if int(entry) > 2 and int(entry) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(entry))
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, standard)
    os.close(nothing)
    os.close(output)
    # The caller's may be a test runner's or a progress bar's.
    sys.stdout = sys.stderr = open(2, "w", closefd=False, buffering=1, encoding="utf-8")  # noqa: SIM115 for the process's life


def _supervise(work: Work, report: int, keeper: socket.socket) -> None:
    """The init of the namespace: makes the sites and the router, and ends when one of them does."""
    kernel.die_with_parent(signal.SIGKILL)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    children: dict[int, str] = {}
    devices: list[int] = []
    sites = work.topology.sites
    for site in sites.values():
        kernel.unshare(kernel.CLONE_NEWNET)
        _hand_over(keeper)
        netlink.configure()
        netlink.loopback_up()
        devices.append(netlink.open_device(DEVICE, _living(site)))
        children[_child(partial(_be, site, work, devices, report), report, site.id)] = site.id
    router = Router(work.topology, list(sites))
    children[_child(partial(_route, router, devices, report), report, "router")] = "router"
    for device in devices:
        os.close(device)
    while True:
        pid, status = os.wait()
        if pid in children:  # a site's own children that it left behind end here too
            code = os.waitstatus_to_exitcode(status)
            _tell(report, failed=children[pid], reason=f"ended with status {code}")
            return


def _hand_over(keeper: socket.socket) -> None:
    """Give the keeper hold of this process's network namespace."""
    (namespace,) = leftovers.hold()
    socket.send_fds(keeper, [b"n"], [namespace])
    os.close(namespace)


def _living(site: Vantage | Farm) -> list[str]:
    if isinstance(site, Vantage):
        return list(site.addresses)
    return [address for host in site.hosts if not host.dead for address in host.addresses]


def _child(body: Callable[[], object], report: int, name: str) -> int:
    pid = os.fork()
    if pid == 0:
        _guarded(body, report, name)
    return pid


def _route(router: Router, devices: list[int], report: int) -> None:
    with contextlib.suppress(OSError):
        kernel.timer_slack(1)
    with contextlib.suppress(OSError):
        # Delays are to be those of the world, not of this machine's other work. Where that is not allowed
        # they are still never less than the world's.
        os.nice(-10)
    _tell(report, ready="router")
    forward(router, devices)


def _be(site: Vantage | Farm, work: Work, devices: list[int], report: int) -> None:
    """A site's process: holds its network namespace and, in a farm, runs the services."""
    for device in devices:
        os.close(device)
    # In this namespace's own numbers it is another one; /proc is still the caller's.
    outside = int(os.readlink("/proc/self"))  # noqa: PTH115 a number, no path
    _tell(report, site=site.id, pid=outside)

    def ready() -> None:
        _tell(report, ready=site.id)

    if not isinstance(site, Vantage) and any(not host.dead and host.services for host in site.hosts):
        asyncio._set_running_loop(None)  # noqa: SLF001 the caller's, if a world is started from a coroutine
        asyncio.run(work.serve(site, work.topology.world, work.credentials, ready))
        return
    ready()
    while True:
        signal.pause()
