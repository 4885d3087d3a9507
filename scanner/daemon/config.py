"""The daemon's file (``daemon.yaml``): what it scans, when, where it serves and who may ask for more."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from probes.document import Document, Model
from probes.engine.pacing import Rates
from scanner.daemon.tokens import HASHED
from scanner.files import Files
from scanner.metrics import Detail
from scanner.register import DATA_CLASSES, DataClass

_Rate = Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)]
PORT: Final = 9815
_PATHS: Final = ("register_", "vantages", "policy", "geodata", "territory", "trust")


class Listen(Model):
    """Where it serves; beyond this machine only where ``beyond_loopback`` says so, too."""

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = PORT
    beyond_loopback: bool = False

    @model_validator(mode="after")
    def _said(self) -> Self:
        try:
            loopback = ipaddress.ip_address(self.address).is_loopback
        except ValueError:
            raise ValueError(f"{self.address!r} is not an IP address") from None
        if not loopback and not self.beyond_loopback:
            raise ValueError(
                f"{self.address} is not a loopback address: whoever reaches it can read verdicts and have"
                " endpoints probed; say beyond_loopback: true if that is meant"
            )
        return self


class Limits(Model):
    """Packets a second: of the process, of a vantage, to a target."""

    process: _Rate = 1000.0
    vantage: _Rate = 1000.0
    target: _Rate = 50.0


class Probing(Model):
    """What ``/probe`` may do: how many at once, and how long where the scraper does not say."""

    concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    timeout_s: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 60.0


class Token(Model):
    """Somebody who may start scans and read evidence: a name for the log, and the hash of a token."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    hash: Annotated[str, Field(pattern=HASHED)]


class Config(Model):
    """``daemon.yaml``; times of ``schedules`` are UTC, and ``jitter_s`` is the most that is added to them."""

    version: Literal[1]
    # Every class of pydantic has a method ``register``.
    register_: Annotated[Path, Field(alias="register")]
    vantages: Path
    policy: Path | None = None
    geodata: Path | None = None
    territory: Path | None = None
    trust: Path | None = None
    store: Annotated[str, Field(min_length=1)]
    listen: Listen = Listen()
    schedules: Annotated[dict[DataClass, str], Field(min_length=1)]
    jitter_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 60.0
    contact: Annotated[str, Field(max_length=200)] = ""
    rates: Limits = Limits()
    probe: Probing = Probing()
    metrics_detail: Detail = "full"
    tokens: Annotated[tuple[Token, ...], Field(max_length=100)] = ()

    @field_validator("schedules")
    @classmethod
    def _expressions(cls, value: dict[DataClass, str]) -> dict[DataClass, str]:
        for name, expression in value.items():
            try:
                next(CronSim(expression, datetime.now(UTC)))
            except (CronSimError, StopIteration) as error:
                why = str(error) or "it never comes"
                raise ValueError(f"{name}: {expression!r} is no cron expression: {why}") from None
        return {name: value[name] for name in DATA_CLASSES if name in value}

    @property
    def files(self) -> Files:
        """What a judgement reads."""
        return Files(self.register_, self.vantages, self.policy, self.geodata, self.territory)

    @property
    def limits(self) -> Rates:
        """The rates as the engine takes them."""
        return Rates(self.rates.process, self.rates.vantage, self.rates.target)


def load_config(path: Path) -> Config:
    """The daemon's file, paths in it taken from its directory; ``DocumentError`` lists what is wrong."""
    config = Document.read(path).validate(Config)
    directory = path.absolute().parent
    beside = {name: directory / given for name in _PATHS if (given := getattr(config, name)) is not None}
    store = config.store if "://" in config.store else str(directory / config.store)
    return config.model_copy(update={**beside, "store": store})
