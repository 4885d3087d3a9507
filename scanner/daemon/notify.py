"""What systemd is told (sd_notify(3)): ready, reloading, stopping, a status line, and that it is alive."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Self


class Notifier:
    """Tells the socket that ``NOTIFY_SOCKET`` names, or nobody where it names none.

    ``watchdog_s`` is how often systemd wants to hear of us, at least; None where it does not.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        # A name that begins with @ is in the abstract namespace (unix(7)).
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def of_environment(cls) -> Self:
        """As the environment says; a watchdog that is meant for another process is not ours."""
        usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
        ours = usec.isdecimal() and int(usec) > 0 and pid in {"", str(os.getpid())}
        return cls(os.environ.get("NOTIFY_SOCKET"), int(usec) / 1e6 if ours else None)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Follow it with :meth:`ready`, whatever came of it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Stopping")

    def status(self, text: str) -> None:
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # Whoever supervises us may have gone; that is no reason to stop.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            sender.sendto("\n".join(lines).encode(), self._address)
