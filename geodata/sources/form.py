"""The headers by which content networks tell which of their places answered, and where each form is from.

The table behind ``geodata.sources.pop``. Only what is documented, or was seen in public transcripts of
responses, is here; networks that are no more (StackPath, Edgio) are not. Headers that tell of the client
(``cf-ipcountry``, ``cdn-requestcountrycode``, ``x-akamai-edgescape``) are nobody's place and must never be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Form(NamedTuple):
    """One form of one header.

    ``pattern`` matches once for each hop. Its groups: ``region``, the place as it is written, without which
    the form names a network alone; ``iata``, an airport's code in it; ``own``, a code of the network's own
    (`OWN`); ``country`` and ``city``; ``inner``, which is there where the hop is not the edge. ``edge`` says
    which of several hops may be the edge. ``beside`` is another header that must be there, and how it begins.
    ``source`` is where the form comes from.
    """

    header: str
    network: str
    pattern: re.Pattern[str]
    source: str
    edge: Literal["all", "first", "last", "none"] = "all"
    beside: tuple[str, str] | None = None


def _is(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\A\s*(?:{pattern})\s*\Z", re.ASCII)


def _item(pattern: str) -> re.Pattern[str]:
    """An item of a list with commas (RFC 9110, 5.6.1)."""
    return re.compile(rf"(?:\A|,)\s*(?:{pattern})\s*(?=,|\Z)", re.ASCII)


_XIU2: Final = "github.com/XIU2/CloudflareSpeedTest (task/httping.go), observed"
_SEEN: Final = "observed in public transcripts of responses; not documented"
_CLOUDFLARE: Final = "developers.cloudflare.com/fundamentals/reference/http-headers"
_FASTLY: Final = "fastly.com/documentation/reference/http/http-headers"
_CLOUDFRONT: Final = "docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/general-helper-methods.html"
_AKAMAI: Final = "techdocs.akamai.com (breadcrumbs); form observed"
_VERCEL: Final = "vercel.com/docs/headers/request-headers, vercel.com/docs/regions"
_AZURE: Final = "learn.microsoft.com/azure/frontdoor/front-door-http-headers-protocol"
_GOOGLE: Final = "cloud.google.com/storage/docs/xml-api/reference-headers"
_BUNNY: Final = "bunny.net/docs/scripting/regions"

# Forms with a place.
_PLACES: Final = (
    # 7bd32409eda7b020-SJC: where the request was taken, by airport.
    Form("cf-ray", "Cloudflare", _is(r"[0-9a-f]{16}-(?P<region>(?P<iata>[A-Z]{3}))"), _CLOUDFLARE),
    # remote-ZRH beside a cf-ray of DXB: the Worker ran in Zürich.
    Form(
        "cf-placement",
        "Cloudflare",
        _is(r"(?:local|(?P<inner>remote))-(?P<region>(?P<iata>[A-Z]{3}))"),
        "developers.cloudflare.com/workers/configuration/placement",
    ),
    # DXB52-P1: an airport, and the number of the location.
    Form(
        "x-amz-cf-pop",
        "Amazon CloudFront",
        _item(r"(?P<region>(?P<iata>[A-Z]{3})[0-9]{1,4}(?:-[A-Z]{1,2}[0-9]{1,3})?)"),
        _CLOUDFRONT,
    ),
    # cache-fra-etou8220141-FRA, cache-hhr-khhr2060043-HHR: the shield, then who delivered. Other Varnishes
    # name their nodes as they like, so both codes must agree.
    Form(
        "x-served-by",
        "Fastly",
        re.compile(
            r"(?:\A|,)\s*cache-(?P<dc>[a-z]{3})(?:-[a-z]{4})?[0-9]{2,10}-"
            r"(?P<region>(?P<iata>(?=[A-Z]{3})(?i:(?P=dc))))\s*(?=,|\Z)",
            re.ASCII,
        ),
        f"{_FASTLY}/X-Served-By",
        edge="last",
    ),
    # bom1::iad1::id: each region that the request hit, then the one in which the function ran.
    Form(
        "x-vercel-id",
        "Vercel",
        re.compile(
            r"(?:\A|(?<=:))(?P<region>(?P<iata>[a-z]{3})[0-9]{1,2}):{1,2}"
            r"(?=(?:[a-z]{3}[0-9]{1,2}:{1,2})*[a-z0-9]{4,8}-[0-9]{10,14}-[0-9a-f]{8,16}\s*\Z)",
            re.ASCII,
        ),
        _VERCEL,
        edge="first",
    ),
    Form(
        "fly-request-id",
        "Fly.io",
        _is(r"[0-9A-HJKMNP-TV-Z]{26}-(?P<region>(?P<iata>[a-z]{3}))"),
        "fly.io/docs/networking/request-headers (regions), form observed",
    ),
    Form(
        "x-railway-edge",
        "Railway",
        _is(r"(?P<region>(?P<iata>[a-z]{3})[0-9]{1,2})"),
        "docs.railway.com (edge networking: airport code, number)",
    ),
    # BunnyCDN-DE1-1080: a code of its own, for which see OWN.
    Form(
        "server",
        "bunny.net",
        _is(r"BunnyCDNE?-(?P<region>(?P<own>[A-Z]{2,4})[0-9]{0,3})-[0-9]{1,6}"),
        _BUNNY,
    ),
    # losangelesUSCA: a city, its country, a state.
    Form(
        "x-77-pop",
        "CDN77",
        _is(r"(?P<region>(?P<city>[a-z]{3,40})(?P<country>[A-Z]{2})(?:[A-Z]{2})?)"),
        _XIU2,
    ),
    # chzh: "the first two letters stand for the country TLD, the last two for the city".
    Form(
        "x-edge-location",
        "KeyCDN",
        _is(r"(?P<region>(?P<country>[a-z]{2})[a-z]{2})"),
        "keycdn.com/support/cdn-server-locations",
        beside=("server", "keycdn"),
    ),
    # sg1-hw-edge-gc2: a code of its own, without a published list.
    Form("x-id-fe", "Gcore", _is(r"(?P<region>[a-z]{2,5}[0-9]{0,2})-hw-edge-gc[0-9]{1,4}"), _XIU2),
    Form("x-id", "Gcore", _is(r"(?P<region>[a-z]{2,5}[0-9]{0,2})-hw-edge-gc[0-9]{1,4}"), _XIU2),
    # As in 28637:fG.hkg1:co:…, in quotation marks.
    Form(
        "x-cf1",
        "CacheFly",
        re.compile(r"\A\"?[0-9]{1,8}:f[A-Z]\.(?P<region>(?P<iata>[a-z]{3})[0-9]{1,2}):", re.ASCII),
        _SEEN,
    ),
    # [a=192.0.2.1,b=12,c=g,n=AU_QLD_BRISBANE,o=20940],[c=c,n=US_CA_SANDIEGO,o=20940],[a=128,c=o]: the edge
    # (g), what stood behind it.
    Form(
        "akamai-request-bc",
        "Akamai",
        re.compile(
            r"\[(?:[ab]=[^\],=]{0,45},){0,2}c=(?:g|(?P<inner>[a-z])),"
            r"n=(?P<region>(?P<country>[A-Z]{2})_[A-Z0-9]{0,4}_(?P<city>[A-Z]{2,40}))[,\]]",
            re.ASCII,
        ),
        _AKAMAI,
    ),
    # ens-cache17.l2de4[…], ens-cache11.gb9[…]: a node in Germany behind one in Britain, who answered. The
    # names of the second tier are of data centres (l2et15), so their letters are not read as countries.
    Form(
        "via",
        "Alibaba Cloud CDN",
        re.compile(
            r"(?:\A|[,\s])(?:ens-|v)?cache[0-9]{1,4}\."
            r"(?P<region>(?:(?P<inner>l2)[a-z]{2}|(?P<country>[a-z]{2}))[0-9]{1,5}(?:-[0-9]{1,3})?)\[",
            re.ASCII,
        ),
        _SEEN,
        edge="last",
    ),
    # Ref A: … Ref B: BOM02EDGE0712 Ref C: …
    Form(
        "x-msedge-ref",
        "Microsoft edge",
        re.compile(
            r"Ref B: (?P<region>(?:(?P<iata>[A-Z]{3})[0-9]{0,2}|[A-Z]{2}[0-9]{1,2}))EDGE[0-9]{2,5}\b",
            re.ASCII,
        ),
        _SEEN,
    ),
    # rbx1: a data centre of OVH's, see OWN.
    Form(
        "x-cdn-pop",
        "OVHcloud",
        _is(r"(?P<region>(?P<own>[a-z]{3})[0-9]{0,2})"),
        "docs.ovhcloud.com (CDN: X-CDN-Pop), ovhcloud.com/en/about-us/global-infrastructure/regions",
    ),
)

# Forms that name a network and no place. What the last ones name is no edge. ``x-amz-bucket-region`` is not
# here, as any S3-compatible store sends it, most of them with Amazon's own default.
_NETWORKS: Final = (
    Form("cf-cache-status", "Cloudflare", _is(r"[A-Z]{2,20}"), _CLOUDFLARE),
    Form("server", "Cloudflare", _is("cloudflare"), _CLOUDFLARE),
    Form("server-timing", "Cloudflare", _item(r"cf(?:L4|CacheStatus|Edge|Origin);[^,]*"), _SEEN),
    Form("x-amz-cf-id", "Amazon CloudFront", _is(r"[\w=-]{50,60}"), _CLOUDFRONT),
    Form(
        "via",
        "Amazon CloudFront",
        _item(r"[\d.]{1,3} [0-9a-f]{32}\.cloudfront\.net \(CloudFront\)"),
        _CLOUDFRONT,
    ),
    Form("x-cache", "Amazon CloudFront", _item(r"[A-Za-z ]{2,60} from cloudfront"), _CLOUDFRONT),
    Form("x-fastly-request-id", "Fastly", _is(r"[0-9a-f]{40}"), _FASTLY),
    Form("x-timer", "Fastly", _is(r"S\d{10}\.\d{1,6},VS\d{1,2},VE\d{1,9}"), _FASTLY),
    Form("server", "Akamai", _is(r"AkamaiGHost|AkamaiNetStorage"), _SEEN),
    Form("x-akamai-transformed", "Akamai", _is(r"\d [\d-]{1,12} .{1,100}"), _SEEN),
    Form("x-akamai-request-id", "Akamai", _is(r"[0-9a-f.]{4,40}"), _SEEN),
    Form("akamai-grn", "Akamai", _is(r"\d\.[0-9a-f]{1,8}\.\d{10}\.[0-9a-f]{1,8}"), _SEEN),
    Form("akamai-request-bc", "Akamai", re.compile(r"\A\[[^\]]{0,200}\bc=g\b"), _AKAMAI),
    Form("server-timing", "Akamai", _item(r"ak_p;[^,]*"), _SEEN),
    Form("server", "Vercel", _is("Vercel"), _VERCEL),
    Form("server", "Fly.io", _is(r"Fly/[0-9a-f]{6,12} \([0-9-]{10}\)"), _SEEN),
    Form("x-railway-edge", "Railway", _is(r"railway/[a-z0-9-]{3,40}"), _SEEN),
    Form("server", "CDN77", _is("CDN77-Turbo"), _XIU2),
    Form("cdn-pullzone", "bunny.net", _is(r"\d{1,9}"), _BUNNY),
    Form("x-iinfo", "Imperva", _is(r"\d{1,3}-\d{1,12}-\d{1,12} .{1,400}"), _SEEN),
    Form("x-cdn", "Imperva", _is(r"Imperva|Incapsula"), _SEEN),
    Form("x-sucuri-id", "Sucuri", _is(r"\d{4,6}"), _SEEN),
    Form("eagleid", "Alibaba Cloud CDN", _is(r"[0-9a-f]{24,28}"), _SEEN),
    Form("x-nws-log-uuid", "Tencent Cloud CDN", _is(r"[0-9a-f-]{16,40}(?: [0-9a-f]{32})?"), _SEEN),
    Form("eo-log-uuid", "Tencent EdgeOne", _is(r"\d{16,20}"), _SEEN),
    # An opaque reference by its documentation, although it can be decoded.
    Form("x-azure-ref", "Azure Front Door", _is(r"[\w+/=-]{20,200}"), _AZURE),
    Form("server", "ArvanCloud", _is("ArvanCloud"), _SEEN),
    Form("x-nf-request-id", "Netlify", _is(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f-]{36}(?:-\d{1,9})?"), _SEEN),
    Form("via", "Google Cloud", _item(r"1\.1 google"), _SEEN),
    Form("x-goog-generation", "Google Cloud Storage", _is(r"\d{10,20}"), _GOOGLE, edge="none"),
    Form("x-github-request-id", "GitHub", _is(r"[0-9A-F]{1,8}(?::[0-9A-F]{1,8}){4}"), _SEEN, edge="none"),
)
FORMS: Final = (*_PLACES, *_NETWORKS)

# Codes of a network's own: city (where it is sure) and country. Some of bunny.net's look like airports' and
# are not (ASB is Ashburn, not Ashgabat; AUC is Auckland, not Arauca), others are states of the USA.
# OVHcloud's lim is Limburg, not Lima.
OWN: Final[Mapping[str, Mapping[str, tuple[str | None, str]]]] = {
    "bunny.net": {
        "ADL": ("Adelaide", "AU"),
        "AMS": ("Amsterdam", "NL"),
        "ASB": ("Ashburn", "US"),
        "AUC": ("Auckland", "NZ"),
        "BR": (None, "BR"),
        "DE": ("Frankfurt am Main", "DE"),
        "FR": (None, "FR"),
        "GR": ("Athens", "GR"),
        "HK": ("Hong Kong", "HK"),
        "IQ": ("Baghdad", "IQ"),
        "JH": ("Johannesburg", "ZA"),
        "KZ": ("Almaty", "KZ"),
        "LA": ("Los Angeles", "US"),
        "NY": ("New York City", "US"),
        "RS": ("Belgrade", "RS"),
        "SE": ("Stockholm", "SE"),
        "SG": ("Singapore", "SG"),
        "SYD": ("Sydney", "AU"),
        "TH": ("Bangkok", "TH"),
        "TW": (None, "TW"),
        "UK": ("London", "GB"),
    },
    "OVHcloud": {
        "bhs": (None, "CA"),
        "eri": (None, "GB"),
        "gra": (None, "FR"),
        "hil": (None, "US"),
        "lim": (None, "DE"),
        "rbx": (None, "FR"),
        "sbg": ("Strasbourg", "FR"),
        "sgp": ("Singapore", "SG"),
        "syd": ("Sydney", "AU"),
        "vin": (None, "US"),
        "waw": ("Warsaw", "PL"),
    },
}  # fmt: skip
