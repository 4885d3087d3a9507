"""System calls of Linux that Python 3.11 does not have: namespaces, mounts and what a process may set."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000  # linux/sched.h
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 1 << 18  # linux/mount.h
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_TIMERSLACK = 1, 4, 29  # linux/prctl.h

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move this process (for a network or mount namespace: this thread) into new namespaces; OSError."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount ``source`` at ``target``; OSError."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _checked(result, f"mount {target}")


def unmount(target: str) -> None:
    """Take a mount away now, and let it go when nobody uses it any more; OSError."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(_MNT_DETACH)), f"umount {target}")


def die_with_parent(signal: int) -> None:
    """Have the kernel send ``signal`` to this process when the thread that made it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl")


def own_proc() -> None:
    """Have this process own its files in ``/proc``, also where its program has file capabilities; OSError."""
    _checked(_libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0), "prctl")


def timer_slack(nanoseconds: int) -> None:
    """How much later than asked the kernel may end this thread's waits (50,000 ns where nobody asks)."""
    _checked(_libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(nanoseconds), 0, 0, 0), "prctl")


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
