"""How long a store keeps what it holds."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from probes.document import Model

_Days = Annotated[int, Field(ge=1, le=36_500)]


class Retention(Model):
    """Raw observations may go sooner than the verdicts; the newest ``least_runs`` stay whole however old."""

    runs_days: _Days = 1826  # five years
    observations_days: _Days = 400  # a year, and time to look at it
    least_runs: Annotated[int, Field(ge=1, le=1_000_000)] = 10

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.observations_days > self.runs_days:
            raise ValueError(
                "observations_days is more than runs_days; observations go with their run at the latest"
            )
        return self
