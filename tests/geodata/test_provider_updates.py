"""An update of several providers at once, from servers on loopback that stand for the official ones."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web

from geodata.catalog import Catalog
from geodata.snapshot import Snapshot
from geodata.sources import amazon, azure, edges, google, hosts, oracle
from geodata.sources.published import PUBLISHED
from geodata.update import Options, add, update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from geodata.claim import Claim


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("akamai_ipv4_CIDRs.txt", "23.32.0.0/11\n")
    return stream.getvalue()


def _amazon(*rows: tuple[str, str, str]) -> bytes:
    prefixes = [
        {"ip_prefix": prefix, "region": region, "network_border_group": region, "service": service}
        for prefix, region, service in rows
    ]
    file = {"syncToken": "1795000000", "createDate": "2026-11-18-10-00-00", "prefixes": prefixes}
    return msgspec.json.encode(file | {"ipv6_prefixes": []})


REGIONAL = ("3.28.0.0/15", "me-central-1", "EC2")
FILES: dict[str, bytes] = {
    "ip-ranges.amazonaws.com/ip-ranges.json": _amazon(REGIONAL, ("13.32.0.0/15", "GLOBAL", "CLOUDFRONT")),
    "ip-ranges.amazonaws.com/geo-ip-feed.csv": b"15.220.160.0/21,OM,OM-MA,Muscat,\n",
    "www.gstatic.com/ipranges/cloud.json": msgspec.json.encode(
        {
            "syncToken": "1",
            "creationTime": "2026-11-19T00:00:00.0",
            "prefixes": [{"ipv4Prefix": "34.93.0.0/16", "service": "Google Cloud", "scope": "asia-south1"}],
        }
    ),
    "www.gstatic.com/ipranges/goog.json": msgspec.json.encode(
        {
            "syncToken": "1",
            "creationTime": "2026-11-19T00:00:00.0",
            "prefixes": [{"ipv4Prefix": "8.8.8.0/24"}, {"ipv4Prefix": "34.64.0.0/10"}],
        }
    ),
    "docs.oracle.com/iaas/tools/public_ip_ranges.json": msgspec.json.encode(
        {
            "last_updated_timestamp": "2026-11-17T00:00:00.0",
            "regions": [{"region": "me-dubai-1", "cidrs": [{"cidr": "129.151.128.0/19", "tags": ["OCI"]}]}],
        }
    ),
    "www.digitalocean.com/geo/google.csv": b"139.59.0.0/20,IN,IN-KA,Bangalore,560100\n",
    "geoip.linode.com/": b"172.105.32.0/19,IN,IN-MH,Mumbai,\n",
    "geofeed.constant.com/": b"139.84.128.0/20,IN,IN-MH,Mumbai,\n",
    "api.cloudflare.com/local-ip-ranges.csv": b"104.28.0.0/24,PK,PK-SD,Karachi,\n",
    "mask-api.icloud.com/egress-ip-ranges.csv": b"172.224.240.0/28,PK,PK-PB,Lahore,\n",
    "geoip.starlinkisp.net/feed.csv": b"14.1.64.0/24,PH,PH-00,Manila,\n",
    "www.cloudflare.com/ips-v4": b"104.16.0.0/13\n104.24.0.0/14",
    "www.cloudflare.com/ips-v6": b"2606:4700::/32\n",
    "api.fastly.com/public-ip-list": b'{"addresses":["151.101.0.0/16"],"ipv6_addresses":["2a04:4e40::/32"]}',
    "api.gcore.com/cdn/public-net-list": b'{"addresses":["92.223.64.0/20"],"addresses_v6":[]}',
    "bunnycdn.com/api/system/edgeserverlist/plain": b"185.93.1.1\n",
    "bunnycdn.com/api/system/edgeserverlist/IPv6/plain": b"2400:52e0::1\n",
    "techdocs.akamai.com/property-manager/pdfs/akamai_ipv4_ipv6_CIDRs-txt.zip": _archive(),
}
PROVIDERS = (amazon.PUBLISHED, *google.PUBLISHED, oracle.PUBLISHED, *hosts.PUBLISHED, *edges.PUBLISHED)


@pytest.fixture
async def files() -> AsyncIterator[dict[str, bytes]]:
    """What each official address answers; ``base`` is where the servers are."""
    served = dict(FILES)

    async def handle(request: web.Request) -> web.Response:
        body = served.get(request.path.removeprefix("/"))
        return web.Response(status=404) if body is None else web.Response(body=body)

    app = web.Application()
    app.router.add_get("/{name:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served["base"] = f"http://{host}:{port}/".encode()
    yield served
    await runner.cleanup()


async def run(home: Path, files: dict[str, bytes], *names: str, **more: Any) -> dict[str, str]:
    """The outcome of each source, and the reason of those that failed."""
    wanted = [one for one in PROVIDERS if not names or one.source in names]
    options = Options(mirrors={"https://": files["base"].decode()}, **more)
    found = await update(Catalog(home), wanted, options)
    return {each.source: each.reason or each.outcome for each in found.outcomes}


def claims(home: Path, address: str) -> dict[str, Claim]:
    """What each provider's list says."""
    with Snapshot.open(home) as snapshot:
        return {each.source: each for each in snapshot.claims(address) if each.asserted_by == "operator"}


class TestUpdate:
    """All lists that have an official address, in one update."""

    async def test_all_at_once(self, tmp_path: Path, files: dict[str, bytes]) -> None:
        outcomes = await run(tmp_path, files, force=True)
        assert outcomes == {one.source: "updated" for one in PROVIDERS}
        amazon = claims(tmp_path, "3.28.0.1")["amazon"]
        assert (amazon.meaning, amazon.region, amazon.country) == ("server", "me-central-1", "AE")
        assert (amazon.family, amazon.date, amazon.version) == ("amazon", "2026-11-18", "1795000000")
        assert amazon.licence
        assert claims(tmp_path, "13.32.0.1")["amazon"].meaning == "edge_pop"
        zone = claims(tmp_path, "15.220.160.1")["amazon-zones"]
        assert (zone.family, zone.country, zone.city) == ("amazon", "OM", "Muscat")
        assert claims(tmp_path, "34.93.0.1")["google-cloud"].region == "asia-south1"
        assert claims(tmp_path, "8.8.8.8")["google"].country is None
        assert claims(tmp_path, "129.151.128.1")["oracle"].country == "AE"
        for source, address in (
            ("digitalocean", "139.59.0.1"),
            ("linode", "172.105.32.1"),
            ("vultr", "139.84.128.1"),
        ):
            found = claims(tmp_path, address)[source]
            assert (found.meaning, found.country, found.family) == ("server", "IN", source)
        for source, address in (
            ("cloudflare", "104.16.0.1"),
            ("cloudflare", "2606:4700::1"),
            ("fastly", "2a04:4e40::1"),
            ("gcore", "92.223.64.1"),
            ("bunny", "185.93.1.1"),
            ("akamai", "23.32.0.1"),
        ):
            found = claims(tmp_path, address)[source]
            assert found.meaning in {"edge_pop", "anycast"}
            assert found.country is None

    async def test_the_users_of_a_relay_are_no_servers(self, tmp_path: Path, files: dict[str, bytes]) -> None:
        """A relay says "Pakistan" of addresses whose machines are anywhere."""
        await run(tmp_path, files, "cloudflare-users", "apple-relay", "starlink")
        for source, address in (
            ("cloudflare-users", "104.28.0.1"),
            ("apple-relay", "172.224.240.1"),
            ("starlink", "14.1.64.1"),
        ):
            assert claims(tmp_path, address)[source].meaning == "user_egress"

    async def test_a_list_that_shrank_is_held_against_the_embedded_one(
        self, tmp_path: Path, files: dict[str, bytes]
    ) -> None:
        outcomes = await run(tmp_path, files, "amazon", "vultr")
        assert outcomes["vultr"] == "updated"  # nothing is embedded of it
        assert "a change of more than 50%" in outcomes["amazon"]
        assert claims(tmp_path, "3.28.0.1")["amazon"].date == "2026-10-26"

    @pytest.mark.parametrize(
        ("name", "body", "why"),
        [
            ("ip-ranges.amazonaws.com/geo-ip-feed.csv", b"3.28.0.0/15,PK,,,\n", "says PK of 3.28.0.1"),
            ("ip-ranges.amazonaws.com/geo-ip-feed.csv", b"39.32.0.0/16,AE,,,\n", "says AE of 39.32.0.1"),
            ("ip-ranges.amazonaws.com/geo-ip-feed.csv", b"10.0.0.0/8,AE,,,\n", "says AE of 10.0.0.1"),
            ("ip-ranges.amazonaws.com/geo-ip-feed.csv", b"<html>", "no record that makes sense"),
            ("ip-ranges.amazonaws.com/ip-ranges.json", b'{"prefixes":', "truncated"),
            (
                "ip-ranges.amazonaws.com/ip-ranges.json",
                _amazon(("3.28.0.0/15", "", "EC2")),
                "no name of a region",
            ),
            ("ip-ranges.amazonaws.com/ip-ranges.json", b"x" * (8 << 20) + b"x", "octets are more than"),
            ("api.fastly.com/public-ip-list", b"[]", "Expected `object`"),
        ],
    )
    async def test_a_list_that_is_wrong_spoils_no_other(
        self, tmp_path: Path, files: dict[str, bytes], name: str, body: bytes, why: str
    ) -> None:
        files[name] = body
        outcomes = await run(tmp_path, files, force=True)
        (bad,) = [source for source, outcome in outcomes.items() if outcome != "updated"]
        assert why in outcomes[bad]
        assert len(outcomes) == len(PROVIDERS)

    def test_azure_is_added_by_hand(self, tmp_path: Path) -> None:
        properties = {"region": "uaenorth", "addressPrefixes": ["20.74.128.0/17"]}
        tags = {"changeNumber": 400, "values": [{"name": "AzureCloud.uaenorth", "properties": properties}]}
        path = tmp_path / "ServiceTags_Public_20261116.json"
        path.write_bytes(msgspec.json.encode(tags))
        home = tmp_path / "home"
        (outcome,) = add(Catalog(home), azure.PUBLISHED, [path], Options(force=True)).outcomes
        assert (outcome.source, outcome.outcome) == ("azure", "updated")
        found = claims(home, "20.74.128.1")["azure"]
        assert (found.region, found.country, found.city, found.version) == ("uaenorth", "AE", "Dubai", "400")

    def test_every_official_address_is_answered_here(self) -> None:
        assert {*PROVIDERS, azure.PUBLISHED} <= set(PUBLISHED)
        assert {url.removeprefix("https://") for one in PROVIDERS for url in one.urls} == set(FILES)
