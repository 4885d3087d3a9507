"""What is probed, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to probe for an endpoint: a name to resolve (no ``address``), or one address of it.

    ``host`` is the name that TLS and HTTP ask for, ``port`` the declared service's, ``url`` the declared
    URL; what was not declared is None.
    """

    endpoint: str
    host: str | None = None
    address: str | None = None
    port: int | None = None
    scheme: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How much to probe. Times in seconds; ``contact`` (URL or address) goes into the User-Agent.

    ``trust`` is a PEM file of certificate authorities to trust beside the system's; ``crawl`` asks that the
    declared page is read for the hosts that it names.
    """

    contact: str = ""
    ping_count: int = 5
    ping_interval_s: float = 0.05
    ping_timeout_s: float = 1.0
    trace_max_ttl: int = 30
    trace_wait_s: float = 1.0
    trace_attempts: int = 2
    trace_deadline_s: float = 30.0
    dns_timeout_s: float = 2.0
    dns_deadline_s: float = 6.0
    tcp_count: int = 5
    tcp_timeout_s: float = 2.0
    tls_count: int = 3
    tls_resumed: int = 0  # handshakes that resume the first's session
    tls_timeout_s: float = 5.0
    http_count: int = 5
    http_timeout_s: float = 5.0
    http_deadline_s: float = 30.0
    trust: Path | None = None
    crawl: bool = False
