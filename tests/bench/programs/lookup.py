"""``lookup READER DIRECTORY FILE COUNT``: one way of looking addresses up, and what it costs; JSON.

``DIRECTORY`` is as :mod:`tests.bench.inputs` leaves it; ``FILE`` in it has addresses, of which the first are
looked up.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ONE = 20_000  # addresses that are looked up one by one


class Reader(NamedTuple):
    """An opened source: what it says of one address, and of many."""

    one: Callable[[str], object]
    many: Callable[[Sequence[str]], object] | None = None

    def all(self, addresses: Sequence[str]) -> object:
        """What is said of many; one by one, and forgotten, where there is no better way."""
        return deque(map(self.one, addresses), 0) if self.many is None else self.many(addresses)


def sarhad(directory: Path) -> Reader:
    """All sources of a snapshot, the embedded one if there is none in the directory."""
    ours = import_module("geodata.snapshot")
    snapshot = ours.Snapshot.open(directory if (directory / ours.MANIFEST).exists() else None)
    return Reader(snapshot.claims, snapshot.columns)


def iptocc(_: Path) -> Reader:
    """The registries' data alone, which we read by the same library."""
    return Reader(import_module("iptocc").country_code)


def maxminddb(directory: Path) -> Reader:
    """DB-IP by the C extension."""
    library = import_module("maxminddb")
    return Reader(library.open_database(directory / "country.mmdb", library.MODE_MMAP_EXT).get)


def maxminddb_python(directory: Path) -> Reader:
    """DB-IP by the reader in Python."""
    library = import_module("maxminddb")
    return Reader(library.open_database(directory / "country.mmdb", library.MODE_MEMORY).get)


def geoip2(directory: Path) -> Reader:
    """DB-IP by the library most use."""
    unknown = import_module("geoip2.errors").AddressNotFoundError
    reader = import_module("geoip2.database").Reader(directory / "country.mmdb")

    def country(address: str) -> object:
        try:
            return reader.country(address)
        except unknown:
            return None

    return Reader(country)


def pyasn(directory: Path) -> Reader:
    """The networks of the routing table."""
    return Reader(import_module("pyasn").pyasn(str(directory / "asn.dat")).lookup)


def pytricia(directory: Path) -> Reader:
    """The same, in a tree of prefixes."""
    tree = import_module("pytricia").PyTricia(32)
    for line in (directory / "asn.dat").read_text(encoding="ascii").splitlines():
        prefix, asn = line.split()
        tree[prefix] = int(asn)
    return Reader(tree.get)


READERS = {
    each.__name__: each for each in (sarhad, iptocc, maxminddb, maxminddb_python, geoip2, pyasn, pytricia)
}


def main(name: str, directory: Path, file: str, count: int) -> dict[str, Any]:
    addresses = (directory / file).read_text(encoding="ascii").split()[:count]
    before, start = memory.octets("VmRSS"), time.process_time()
    memory.forget_peak()
    reader = READERS[name](directory)
    reader.one(addresses[0])
    load = time.process_time() - start
    for _ in range(2):  # once to read what is only read once
        start = time.process_time()
        for address in addresses[:_ONE]:
            reader.one(address)
        one = time.process_time() - start
    start = time.process_time()
    said = reader.all(addresses)
    many = time.process_time() - start
    del said  # not before the clock was read
    return {
        "load, ms": load * 1e3,
        "one address, µs": one / len(addresses[:_ONE]) * 1e6,
        "many, µs each": many / len(addresses) * 1e6,
        "many, s": many,
        "memory, MB": (memory.octets("VmHWM") - before) / 1e6,
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])), sys.stdout)
