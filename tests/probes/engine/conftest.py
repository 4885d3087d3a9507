"""The simulated Internet of odd answers, running, and an engine in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.simnet.world import World
from tests.probes.conftest import local
from tests.probes.engine.cases import RATES, WORLD, Odd
from tests.probes.simnet.conftest import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from probes.simnet.simnet import Simnet


@pytest.fixture(scope="module")
def net() -> Iterator[Simnet]:
    for peer in running(World.model_validate(WORLD)):
        yield peer.net


@pytest.fixture
async def odd(net: Simnet) -> AsyncIterator[Odd]:
    with local(net.sites["v"]) as vantage:
        async with Engine(vantage, Pace(RATES)) as engine:
            yield Odd(net, vantage, engine)
