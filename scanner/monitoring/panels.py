"""The kinds of panels that the dashboards have, made with Grafana's own builders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    geomap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    FrameGeometrySourceMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.cog.builder import Builder

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
_COLORS: Final[Mapping[str, str]] = {
    "inside": "green",
    "outside": "red",
    "edge": "orange",
    "conflicting": "purple",
    "undetermined": "yellow",
    "unreachable": "text",
    "proved": "dark-green",
    "bounded": "green",
    "corroborated": "yellow",
    "claimed": "orange",
    "compliant": "green",
    "violation": "red",
    "waived": "blue",
    "not_applicable": "text",
    "indeterminate": "yellow",
    "domestic": "green",
    "leaves": "orange",
    "unknown": "text",
}


def whole(
    uid: str, title: str, description: str, variables: Sequence[Builder[Any]], each: Sequence[Any]
) -> dashboard.Dashboard:
    """A dashboard of panels, which are placed and numbered in their order."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["sarhad"])
        .readonly()
        .time("now-30d", "now")
        .refresh("5m")
        .timezone("browser")
        .link(
            dashboard.DashboardLink("Sarhad")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["sarhad"])
            .keep_time(keep_time=True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in variables:
        made = made.with_variable(variable)
    for number, panel in enumerate(each, start=1):
        made = made.with_panel(panel.id(number).datasource(_SOURCE))
    return made


def values(label: str, title: str, metric: str, *, multi: bool = False) -> Builder[Any]:
    """A variable: the values that a label has in a metric."""
    variable = (
        dashboard.QueryVariable(label)
        .label(title)
        .datasource(_SOURCE)
        .query({"query": f"label_values({metric}, {label})", "refId": "Values"})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    if multi:
        every = VariableOption(selected=True, text=["All"], value=["$__all"])
        return variable.multi(multi=True).include_all(include_all=True).all_value(".*").current(every)
    return variable


def _query(expr: str, legend: str = "") -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id("A").datasource(_SOURCE).expr(expr).legend_format(legend)


def _thresholds(steps: Sequence[tuple[float | None, str]]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )


def figure(
    title: str, expr: str, unit: str, steps: Sequence[tuple[float | None, str]] = ((None, "text"),)
) -> stat.Panel:
    """One number, coloured by the steps that it has reached."""
    return (
        stat.Panel()
        .title(title)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expr).instant())
        .span(4)
        .height(4)
    )


def bars(
    title: str,
    expr: str,
    legend: str,
    unit: str,
    steps: Sequence[tuple[float | None, str]] = ((None, "orange"),),
) -> bargauge.Panel:
    """A bar for each series of an instant."""
    return (
        bargauge.Panel()
        .title(title)
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(steps))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expr, legend).instant())
        .span(12)
        .height(9)
    )


def series(title: str, expr: str, legend: str, unit: str) -> timeseries.Panel:
    """Lines over time."""
    return (
        timeseries.Panel()
        .title(title)
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .legend(_legend())
        .with_target(_query(expr, legend).range())
        .span(12)
        .height(9)
    )


def timeline(
    title: str, metric: str, values: Sequence[str], labels: str, legend: str, height: int = 4
) -> statetimeline.Panel:
    """A state over time: the number of the value that is 1, shown as its name; 0 where none is."""
    label = {"policy_status": "status"}.get(metric, metric)
    each = " or ".join(
        f'residency_endpoint_{metric}{{{labels},{label}="{value}"}} * {number}'
        for number, value in enumerate(values, start=1)
    )
    names = {"0": ValueMappingResult(text="none", color="text", index=0)} | {
        str(number): ValueMappingResult(text=value, color=_COLORS[value], index=number)
        for number, value in enumerate(values, start=1)
    }
    return (
        statetimeline.Panel()
        .title(title)
        .unit("short")
        .mappings([ValueMap(options=names)])
        .merge_values(merge_values=True)
        .legend(_legend())
        .with_target(_query(f"max by (endpoint) ({each})", legend).range())
        .span(24)
        .height(height)
    )


def world(title: str, expr: str) -> geomap.Panel:
    """Markers on countries, sized by the value."""
    field = {"field": "Value", "fixed": 5, "min": 4, "max": 20}
    layer = (
        common.MapLayerOptions()
        .name("Addresses")
        .type("markers")
        .tooltip(tooltip=True)
        .location(
            common.FrameGeometrySource()
            .mode(FrameGeometrySourceMode.LOOKUP)
            .lookup("country")
            .gazetteer("public/gazetteer/countries.json")
        )
        .config({"showLegend": False, "style": {"size": field, "color": {"fixed": "orange"}, "opacity": 0.6}})
    )
    return (
        geomap.Panel()
        .title(title)
        .unit("short")
        .view(geomap.MapViewConfig().id("coords").lat(30).lon(70).zoom(2))
        .layers([layer])
        .with_target(_query(expr).format(PromQueryFormat.TABLE).instant())
        .span(12)
        .height(9)
    )


def rows(title: str, expr: str, unit: str, columns: Sequence[str]) -> table.Panel:
    """The series of an instant with some of their labels as columns, in that order."""
    shown = DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    order = DataTransformerConfig(
        id_val="organize", options={"indexByName": {name: place for place, name in enumerate(columns)}}
    )
    # The way to an endpoint's dashboard; a provider's own has no column of it.
    provider = "__data.fields.provider" if "provider" in columns else "provider"
    to_endpoint = {
        "title": "The endpoint",
        "url": f"/d/sarhad-endpoint?var-provider=${{{provider}:percentencode}}"
        "&var-endpoint=${__value.text:percentencode}",
    }
    return (
        table.Panel()
        .title(title)
        .unit(unit)
        .show_header(show_header=True)
        .override_by_name("endpoint", [DynamicConfigValue(id_val="links", value=[to_endpoint])])
        .with_target(_query(expr).format(PromQueryFormat.TABLE).instant())
        .transformations([shown, order])
        .span(12)
        .height(9)
    )
