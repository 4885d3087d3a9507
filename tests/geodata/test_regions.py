"""The table of the providers' regions."""

from __future__ import annotations

import csv

from geodata.snapshot import EMBEDDED
from geodata.sources.parsed import Entry
from geodata.sources.regions import in_region
from geodata.sources.source import country


class TestRegions:
    """The table of regions is whole: every country is one, and no region that is known is in Pakistan."""

    ROWS = tuple(csv.DictReader((EMBEDDED / "regions.csv").read_text(encoding="utf-8").splitlines()))

    def test_every_row(self) -> None:
        for row in self.ROWS:
            assert country(row["country"]) == row["country"] != "PK", row
            entry = in_region(row["provider"], row["region"], "x")
            assert (entry.country, entry.region) == (row["country"], row["region"])
            assert bool(row["latitude"]) == bool(row["longitude"])
            assert not row["latitude"] or row["city"], row
        keys = [(row["provider"], row["region"]) for row in self.ROWS]
        assert len(set(keys)) == len(keys) > 300

    def test_a_place_lies_in_its_country(self) -> None:
        """By eye of the box around each: a city of the same name elsewhere would be far outside."""
        boxes = {
            "AE": (22, 27, 51, 57),
            "IN": (6, 36, 68, 98),
            "GB": (49, 61, -9, 2),
            "JP": (24, 46, 123, 146),
        }
        for row in self.ROWS:
            if row["latitude"] and row["country"] in boxes:
                south, north, west, east = boxes[row["country"]]
                assert south < float(row["latitude"]) < north, row
                assert west < float(row["longitude"]) < east, row

    def test_unknown_regions_have_no_country(self) -> None:
        entry = in_region("amazon", "pk-south-1", "Amazon")
        assert entry == Entry(region="pk-south-1", network="Amazon")
