"""Private namespaces for this process, so that nothing it does reaches the machine's own network.

After :func:`enter` the process has a network of its own (only loopback, and what it makes), its own view of
mounts and, where it was not root, is root of a user namespace. All of it ends with the process.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from probes.simnet import kernel, netlink

NAMES = Path("/run/netns")  # where ip-netns(8) and ``netns:`` of vantages look for names
_USER_NAMESPACES = "/proc/sys/user/max_user_namespaces"
_DEBIAN_SWITCH = "/proc/sys/kernel/unprivileged_userns_clone"
_APPARMOR_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
_TUN_NUMBER = os.makedev(10, 200)  # Documentation/admin-guide/devices.txt


class SandboxError(Exception):
    """Private namespaces cannot be had here; the message says what is missing and how to get it."""


class _Entered:
    """Whether this process is inside (its children are too), and whether names can be given."""

    inside = False
    named = False
    process = 0


def inside() -> bool:
    """Whether :func:`enter` has moved this process into namespaces of its own."""
    return _Entered.inside


def entered_by(process: int) -> bool:
    """Whether it was this process that entered: then everything in the sandbox is its own."""
    return _Entered.process == process


def named() -> bool:
    """Whether namespaces can be offered by name under ``/run/netns``."""
    return _Entered.named


def enter() -> None:
    """Move this process into private namespaces; at start-up, before any thread, else a SandboxError."""
    if _Entered.inside:
        return
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        raise SandboxError(f"the sandbox must be entered before threads start; this process has {threads}")
    check()
    if os.geteuid() != 0:
        _enter_user_namespace()
    try:
        _leave()
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        netlink.loopback_up()
    except OSError as error:
        raise SandboxError(refused(error)) from error
    _Entered.inside, _Entered.process = True, os.getpid()
    netlink.configure()
    try:
        _own_run()
        _Entered.named = True
    except OSError:
        _Entered.named = False  # then /proc/PID/ns/net serves in place of names


def check() -> None:
    """A SandboxError where this machine cannot make TUN devices."""
    try:
        os.close(os.open(netlink.TUN, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError as error:
        raise SandboxError(
            f"{netlink.TUN} does not exist; load it (modprobe tun) or, in a container, pass it in "
            f"(--device {netlink.TUN})"
        ) from error
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EACCES}:
            mode = stat.filemode(os.stat(netlink.TUN).st_mode)  # noqa: PTH116 a device's mode, for a message
            raise SandboxError(
                f"{netlink.TUN} may not be opened by uid {os.geteuid()} (its mode is {mode}); as root: "
                f"chmod 0666 {netlink.TUN}, which opens no network that its user does not own; or run as root"
            ) from error
        raise SandboxError(
            f"{netlink.TUN}: {error.strerror}; the kernel lacks the tun module (modprobe tun)"
        ) from error


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        kernel.own_proc()
        kernel.unshare(kernel.CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="utf-8")
    except OSError as error:
        raise SandboxError(refused(error)) from error


def _leave() -> None:
    """Leave the machine's network and mounts; a root that may not is root of a user namespace that may."""
    try:
        kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS)
    except PermissionError:
        if os.geteuid() != 0:
            raise
        _enter_user_namespace()
        kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS)


def refused(error: OSError) -> str:
    """Why the kernel refused namespaces, and what would allow them."""
    switches = (
        (_DEBIAN_SWITCH, "0", "sysctl kernel.unprivileged_userns_clone=1"),
        (_USER_NAMESPACES, "0", "sysctl user.max_user_namespaces=10000"),
        (_APPARMOR_SWITCH, "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
    )
    for path, closed, remedy in switches:
        if _read(path) == closed:
            return (
                f"unprivileged user namespaces are switched off ({path} is {closed}); "
                f"as root: {remedy}; or run as root ({error})"
            )
    return (
        f"the kernel refused private namespaces ({error}); run as root or, in a container, with "
        "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _own_run() -> None:
    """A ``/run`` of this process: what is in the machine's, and an empty ``netns``."""
    if NAMES.is_dir():
        kernel.mount("tmpfs", str(NAMES), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
        return
    run = NAMES.parent
    old = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kernel.mount("tmpfs", str(run), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
        for entry in Path(f"/proc/self/fd/{old}").iterdir():
            _carry_over(entry, run / entry.name)
        NAMES.mkdir(exist_ok=True)
    except OSError:
        kernel.unmount(str(run))
        raise
    finally:
        os.close(old)


def _carry_over(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    kernel.mount(str(source), str(target), flags=kernel.MS_BIND | kernel.MS_REC)
