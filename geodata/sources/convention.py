"""How operators write places into the names of their routers, and what in a name is no place.

The table behind ``geodata.sources.rdns``. ``CONVENTIONS`` are those of single operators, as hoiho learns them
(Luckie et al., "Learning to Extract Geographic Information from Internet Router Hostnames", CoNEXT 2021; and
blog.caida.org, Hoiho API, 2023, which tells of ``ash`` at he.net and seabone.net), written by hand from names
in public traceroutes. Where one matches the end of a name, no other rule is tried: ``sjo`` is San Jose in
California for Arelion, and an airport in Costa Rica for all others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Convention(NamedTuple):
    """One operator's. ``pattern`` is looked for in what stands before ``suffix``.

    Its groups: ``own``, a code that ``codes`` explains, with city and country; ``iata``, an airport's (of
    which ``codes`` has what the operator means by something else); ``city``; ``country``, which must agree.
    """

    suffix: str
    pattern: re.Pattern[str]
    codes: Mapping[str, tuple[str | None, str]] = {}


def _end(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:\A|\.)(?:{pattern})\Z")


_ARELION: Final = {
    "adm": ("Amsterdam", "NL"),
    "ash": ("Ashburn", "US"),
    "bcn": ("Barcelona", "ES"),
    "chi": ("Chicago", "US"),
    "ffm": ("Frankfurt", "DE"),
    "hnk": ("Hong Kong", "HK"),
    "kbn": ("Copenhagen", "DK"),
    "las": ("Los Angeles", "US"),
    "ldn": ("London", "GB"),
    "mei": ("Marseille", "FR"),
    "mia": ("Miami", "US"),
    "nug": ("Nürnberg", "DE"),
    "nyk": ("New York", "US"),
    "prs": ("Paris", "FR"),
    "sjo": ("San Jose", "US"),
    "sng": ("Singapore", "SG"),
    "tky": ("Tokyo", "JP"),
}
_ARELION_NAME: Final = re.compile(r"\A(?:ae[0-9]{1,3}\.)?(?P<own>[a-z]{3})-bb?[0-9]{1,3}(?:-link)?\Z")
# What operators who otherwise use airports' codes mean by these, and airlines do not (Nashua, Maitland in
# Australia, Torrington in Wyoming).
_MEANT: Final = {"ash": ("Ashburn", "US"), "mtl": ("Montréal", "CA"), "tor": ("Toronto", "CA")}
CONVENTIONS: Final = (
    # PTCL: static.khi77, lhr63d1, rwp44. lhr is Lahore, not London's Heathrow.
    Convention(
        "pie.net.pk",
        re.compile(r"(?:\A|[.-])(?P<own>khi|lhr|rwp)[0-9]{2,4}(?:[a-z][0-9]{1,2})?(?=[.-]|\Z)"),
        {"khi": ("Karachi", "PK"), "lhr": ("Lahore", "PK"), "rwp": ("Rawalpindi", "PK")},
    ),
    Convention("atlas.cogentco.com", _end(r"(?P<iata>[a-z]{3})[0-9]{2}"), _MEANT),
    Convention("he.net", _end(r"(?P<iata>[a-z]{3})[0-9]{1,2}"), _MEANT),
    Convention("ip4.gtt.net", _end(r"(?:cr[0-9]-)?(?P<iata>[a-z]{3})[0-9]{1,2}"), _MEANT),
    Convention("ip.twelve99.net", _ARELION_NAME, _ARELION),
    Convention("telia.net", _ARELION_NAME, _ARELION),
    Convention("zayo.com", _end(r"(?P<iata>[a-z]{3})[0-9]{1,3}\.(?P<country>[a-z]{2})\.(?:eth|zip)"), _MEANT),
    # The place before it is a CLLI code, whose list is not free.
    Convention("gin.ntt.net", _end(r"(?P<country>[a-z]{2})\.(?:bb|ce)")),
    Convention("level3.net", _end(r"(?P<city>[a-z]{4,20})[0-9]{1,2}")),
    Convention("net.lumen.tech", _end(r"(?P<city>[a-z]{4,20})[0-9]{1,2}")),
    Convention("as6453.net", _end(r"[a-z0-9]{3}-(?P<city>[a-z]{3,20}(?:-[a-z]{4,10})?)")),
    Convention(
        "seabone.net",
        _end(r"(?P<own>[a-z]{3})"),
        {
            "ash": ("Ashburn", "US"),
            "bai": ("Buenos Aires", "AR"),
            "mil": ("Milan", "IT"),
            "pal": ("Palermo", "IT"),
            "spa": ("São Paulo", "BR"),
        },
    ),
    Convention("ntwk.msn.net", _end(r"(?P<iata>[a-z]{3})[0-9]{2,3}")),
    Convention("1e100.net", re.compile(r"\A(?P<iata>[a-z]{3})[0-9]{2}s[0-9]{2}-in-[fx][0-9a-f]{1,4}\Z")),
    Convention(
        "hetzner.com",
        _end(r"(?P<own>fsn|hel|nbg)[0-9]"),
        {"fsn": ("Falkenstein", "DE"), "hel": ("Helsinki", "FI"), "nbg": ("Nürnberg", "DE")},
    ),
)

# Airports that stand for a place in anybody's names, with a number behind them (icn alone is a network of
# Akamai's, ams a system that manages assets). Left out on purpose: words (den, mad, per, net), roles and
# protocols (cor, ccr, acc, gig), and what Pakistanis call otherwise: for them lhr is Lahore, hyd is Hyderabad
# in Sindh and fsd is Faisalabad; for airlines London, Hyderabad in India and Sioux Falls.
HUBS: Final = frozenset(
    """
    khi lhe isb pew lyp mux uet skt gwd
    bom blr maa ccu pnq dxb auh fjr mct doh bah kwi ruh jed dmm kbl cmb ktm
    sin kul cgk bkk sgn mnl hkg tpe icn nrt hnd kix tyo osa pek pvg szx syd mel bne akl
    fra ams lon cdg mrs bcn lis mxp fco zrh gva bru dus muc txl waw prg otp sof cph arn osl rix tll vno kbp
    dme svo svx dub hel bud tlv
    iad dca atl bos ord mdw dfw iah lax sjc sfo phx pdx slc msp mia ewr jfk lga nyc phl clt dtw mci
    yyz yul yvr yyc gru scl eze bog qro jnb cpt nbo cmn
    """.split()  # noqa: SIM905  words are easier to read and to add to
)
# Words that happen to be a country and an airport of it.
LOCODE_WORDS: Final = frozenset("cakes manna nampa rerun ruled rupee sarah".split())  # noqa: SIM905  the same
# Names of cities that are words, brands, persons or larger places before they are that.
CITY_WORDS: Final = frozenset(
    """
    alexandra americana angers archway armenia astoria athena aurora austin balsas barking batman bender
    billings bimbo boulder brandon brent brusque buffalo cairns carnot carolina centennial central
    centurion chandler charlotte chico chinatown clovis columbia columbus commonwealth concord
    constantine copacabana corona cypress darwin davenport delta derby diamond dudley edison elizabeth
    engels enterprise erode eugene everett florence franklin fremont garden garland george georgia
    gilbert guadalupe hampton harlem harrow henderson hermes hitachi hollywood honcho houston hudson
    imperial independence irving jackson jamaica jingling jordan kennedy kirov lander latina lincoln
    livingstone madison maldonado mango mantilla marina masai mascara medea media mesquite metro midland
    milton mobile moreno nancy natal newton nigel norman ontario orange oxford paradise phoenix preston
    princeton providence pueblo quebec queens raven reading regina richardson riverside rodriguez rosetta
    salvador samba samson santana santos savannah serra shaping simmering slough split spring springs
    sterling surprise surrey sydney tamale timon tours toyota tyler vaughan victoria virginia vista
    vladimir warder warren washington waterloo windsor wolf woodlands
    """.split()  # noqa: SIM905  the same
)
# Cities of four letters that are nothing else.
SHORT_CITIES: Final = frozenset("baku bonn brno doha kiev kyiv lyon oslo pune riga".split())  # noqa: SIM905  the same
# Labels that are a country and hardly anything else: no interface (ae, ge, te), no role (br, cr, pe), no
# state of the USA (ca, de, in), no word (is, no, it).
COUNTRY_LABELS: Final = frozenset(
    """
    au bd bg bh cz dk eg fi gb gr hk ir jp kr kw lk nl np nz om pk pl pt qa ro ru sg th tw ua uk uz vn za
    """.split()  # noqa: SIM905  the same
)
# Labels under which countries give out names.
SECOND_LEVEL: Final = frozenset(
    "ac biz co com edu gob gok gop gos gov info mil ne net nom or org web".split()  # noqa: SIM905  the same
)
