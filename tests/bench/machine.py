"""Where and with what was measured: the line above the tables."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from typing import Final

_PACKAGES: Final = ("scamper", "traceroute", "mtr-tiny", "fping", "nmap")
_LIBRARIES: Final = ("icmplib", "pycaracal")


def described() -> str:
    """Date, machine and versions, one sentence each."""
    peers = [f"{name} {version}" for name in _PACKAGES if (version := _package(name))]
    peers += [f"{name} {version}" for name in _LIBRARIES if (version := _library(name))]
    named = ", ".join(peers) or "no peer at all"
    return f"{here()}, with {named}."


def here() -> str:
    """Date and machine."""
    today = dt.datetime.now(tz=dt.UTC).date()
    system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    return f"Measured on {today} on {os.cpu_count()} cores ({system})"


def _package(name: str) -> str | None:
    """The version of a Debian package."""
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout or None


def _library(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
