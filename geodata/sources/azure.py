"""Microsoft Azure: the region that each prefix is used in, and Front Door's edges.

``ServiceTags_Public_YYYYMMDD.json``, from microsoft.com/download/details.aspx?id=56519, weekly; JSON;
published for anybody's use, without a licence. Its address has no fixed form, so it is the operator's to
fetch and to ``add``. ``AzureCloud.REGION`` are the data centres of a region and ``AzureCloud`` all of them
together; of the tags of services only Front Door's are read, since the others repeat these prefixes. The
file itself has no date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from geodata.sources.parsed import Entry, Parsed, Published, Range, of_prefix, separately
from geodata.sources.records import Records, outline
from geodata.sources.regions import in_region

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVIDER: Final = "azure"
_NAME: Final = "service tags"
_NETWORK: Final = "Microsoft Azure"
_ALL: Final = "azurecloud"
_FRONT_DOOR: Final = "azurefrontdoor."
_ANYWHERE: Final = Entry(network=_NETWORK)
# By anycast to the nearest edge: learn.microsoft.com/azure/frontdoor/front-door-traffic-acceleration
_EDGE: Final = Entry(network="Azure Front Door", meaning="edge_pop")
_ANYCAST: Final = Entry(network="Azure Front Door", meaning="anycast")


class _Properties(msgspec.Struct, frozen=True, rename="camel"):
    address_prefixes: list[msgspec.Raw]
    region: str = ""


class _Tag(msgspec.Struct, frozen=True):
    name: str
    properties: _Properties


class _File(msgspec.Struct, frozen=True, rename="camel"):
    change_number: Annotated[int, msgspec.Meta(ge=0)]
    values: list[msgspec.Raw]


def parse(octets: bytes) -> Parsed:
    """What the tags of regions and of Front Door say; raises :class:`~geodata.errors.GeodataError`."""
    file = outline(_NAME, octets, _File)
    records = Records(_NAME)
    for tag in records.read(file.values, _Tag):
        try:
            said = entry(tag.name, tag.properties.region)
        except ValueError as error:
            records.skip(error)
            continue
        if said is None:
            continue
        for prefix in records.read(tag.properties.address_prefixes, str):
            try:
                records.ranges.append(of_prefix(prefix, said))
            except ValueError as error:
                records.skip(error)
    records.ranges = placed(records.ranges)
    return records.parsed(str(file.change_number))


def placed(ranges: Sequence[Range]) -> list[Range]:
    """The ranges, without those that are only called Azure's where a tag says more of the same prefix."""
    more = {each[:3] for each in ranges if each.entry != _ANYWHERE}
    return [each for each in ranges if each.entry != _ANYWHERE or each[:3] not in more]


def entry(tag: str, region: str) -> Entry | None:
    """What a tag says of its prefixes, or ``None`` for one that is not read; ValueError for no region."""
    name = tag.lower()
    if name.startswith(_FRONT_DOOR):
        return _EDGE if name.endswith(".backend") else _ANYCAST
    if name != _ALL and not name.startswith(f"{_ALL}."):
        return None
    return in_region(PROVIDER, region.lower(), _NETWORK) if region else _ANYWHERE


PUBLISHED: Final = Published(
    source="azure",
    family=PROVIDER,
    meaning="server",
    asserted_by="operator",
    urls=(),
    licence="none stated; published for anybody's use",
    attribution="Azure IP Ranges and Service Tags (https://www.microsoft.com/download/details.aspx?id=56519)",
    refresh_days=7,
    parse=separately(parse),
    max_octets=16 << 20,
)
