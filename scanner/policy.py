"""The policy: what a verdict means for the class of data that an endpoint serves.

Pure functions and the model of ``policy.yaml``. An observation that something is abroad is not yet a
violation: that follows of the declared class and deployment model, the provider's accreditation and the
waivers, by controls that each cite their clause of the Pakistan Cloud First Policy.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from probes.document import Model

FindingStatus = Literal["compliant", "violation", "waived", "not_applicable", "indeterminate"]
Severity = Literal["informational", "low", "medium", "high", "critical"]
Positive = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class Thresholds(Model):
    """The numbers that the rules of the verdict compare with; each rule that used one says so."""

    # Light in fibre covers 200 km per millisecond one way, hence 100 km per millisecond of round trip
    # (refractive index of silica about 1.47; Gueye et al. 2006 use the same bound).
    speed_km_per_ms_rtt: Positive = 100.0
    # Relative error of great-circle distances on a sphere against the WGS 84 ellipsoid, at most.
    sphere_margin: Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False)] = 0.0056
    # An application that answers this much later than the transport, at best, is not where the transport is.
    relay_excess_ms: Positive = 10.0
    tls_excess_ms: Positive = 10.0
    relay_min_tries: Annotated[int, Field(ge=1, le=1000)] = 3
    # ``bounded``: no foreign city of so many people is feasible.
    city_population: Annotated[int, Field(ge=1, le=50_000_000)] = 100_000
    # Claims that it is at home are not believed where even the nearest vantage waited longer than this.
    unsupported_rtt_ms: Positive = 40.0
    # A claim's data older than this is stale.
    stale_days: Annotated[int, Field(ge=1, le=3650)] = 90
    # By how much a vantage's own round trips may seem to contradict its declared place.
    vantage_honesty_slack_km: Annotated[float, Field(ge=0, le=20_038, allow_inf_nan=False)] = 50.0
    # A vantage whose location is known less exactly than this proves nothing of a border.
    max_location_error_km: Annotated[float, Field(ge=0, le=20_038, allow_inf_nan=False)] = 100.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict held against one control. ``waiver`` refers to the waiver that was looked at, if any."""

    endpoint: str
    control: str
    clause: str
    status: FindingStatus
    severity: Severity
    data_class: str
    reason: str
    waiver: str | None = None
