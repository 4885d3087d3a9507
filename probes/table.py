"""The table of probes: a new probe is one new module and one line here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from probes import dns, http, ping, tcp, tls, trace
from probes.observation import Observation
from probes.session import Session
from probes.target import Settings, Target

Probe = Callable[[Target, Session, Settings], Awaitable[Sequence[Observation]]]

PROBES: Final[Mapping[str, Probe]] = MappingProxyType(
    {
        "dns": dns.probe,  # the target's host, to addresses
        "dependency": dns.addresses,  # the same, without what else is of its zone
        "reverse": dns.reverse,  # the target's address, to names
        "ping": ping.probe,
        "tcp": tcp.probe,
        "trace": trace.probe,
        "tls": tls.probe,
        "http": http.probe,
    }
)
