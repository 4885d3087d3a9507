"""A claim: what one data source says of an address, never a fact.

Sources that copy each other form one *family* and have one vote together.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Meaning = Literal[
    "server",  # where machines with this address are said to be
    "user_egress",  # where the users behind it are said to be (relay, VPN, CDN egress): no place of a server
    "registrant",  # the country that a registry wrote beside the holder
    "origin",  # the network that announces it, and that network's country
    "edge_pop",  # a point of presence of a content network
    "anycast",  # one address at many places
]

AssertedBy = Literal["third-party", "registry", "operator", "measurement"]
Validity = Literal["valid", "invalid", "not-found"]


# gc=False: it is in no cycle, and there are so many that the collector would take longer than all the rest.
class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source says of the addresses in ``prefix``.

    ``country`` is ISO 3166-1 alpha-2, or ``None`` where the source says nothing: unknown, never "abroad".
    ``region`` is a provider's own name for its place (``me-central-1``). ``radius_km`` is the source's own
    accuracy radius. ``length`` is that of the prefix which a network announces, where that is known, and
    ``prefix`` is it then. ``rpki`` is an origin's validity (RFC 6811): a sign of a hijack, never of a place.
    ``asserted_by`` names who says it (``third-party``, ``registry``, ``operator``: the audited party itself).
    ``version`` and ``date`` (ISO 8601) are the data's.
    """

    source: str
    family: str
    prefix: str
    meaning: Meaning
    country: str | None = None
    city: str | None = None
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float | None = None
    asn: int | None = None
    network: str | None = None
    length: int | None = None
    rpki: Validity | None = None
    asserted_by: AssertedBy = "third-party"
    version: str | None = None
    date: str | None = None
    licence: str | None = None
