"""What the registries say, and what counts as a country, a number or a name in any source."""

from __future__ import annotations

import importlib.metadata

import pytest

from geodata.sources.registry import Registry
from geodata.sources.source import asn, country, text
from tests.geodata.found import FOUR, said


class TestRegistry:
    """The registries' answer for an address, dated only if it is known which data is installed."""

    def test_knows_the_registries(self) -> None:
        registry = Registry()
        found = registry.look_up(FOUR("39.32.0.1"))
        assert found == said("39.32.0.1/32", country="PK")
        assert registry.look_up(FOUR("10.0.0.1")) is None
        assert registry.version == importlib.metadata.version("iptocc")

    def test_the_installed_version_is_dated(self) -> None:
        """Fails when the lock file moves: then the date of the new version is to be written down."""
        assert Registry().date is not None


class TestValues:
    """What is not a country, a number or a name is unknown."""

    @pytest.mark.parametrize(
        "value", [None, 5, "", "P", "PAK", "P1", "EU", "AP", "ZZ", "\uff30\uff2b", ["PK"], "PK\n"]
    )
    def test_no_country(self, value: object) -> None:
        assert country(value) is None

    def test_case_does_not_matter(self) -> None:
        assert country("pk") == "PK"

    @pytest.mark.parametrize(
        "value", [None, 0, -1, 2**32, True, 1.0, "AS", "ASx", "٣", "AS99999999999", "ASAS1"]
    )
    def test_no_asn(self, value: object) -> None:
        assert asn(value) is None

    def test_names_are_cut(self) -> None:
        assert text("x" * 1000) == "x" * 200
        assert text("") is None
        assert text(7) is None
