"""``sarhad probe``: the packet engine alone, for whoever wants to see what a scan sees."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scanner.cli.exits import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from probes.engine.engine import Engine
    from probes.failure import MeasureError
    from probes.observation import ErrorCode, PingObservation, PingResult, TraceObservation, TraceResult
    from probes.vantages.local import Means

    _Stream = AsyncGenerator[tuple[str, PingResult | TraceResult | MeasureError], None]
    _Measure = Callable[[Engine, Iterator[str]], _Stream]

_F = TypeVar("_F", bound="Callable[..., Any]")
_RATE = click.FloatRange(min=0, min_open=True)
_SECONDS = click.FloatRange(min=0, min_open=True)


def _common(command: _F) -> _F:
    for option in (
        click.option(
            "--contact", default="", envvar="SARHAD_CONTACT", help="Who probes; put into the packets."
        ),
        click.option("--vantage", help="Its id, where --vantages has more than one."),
        click.option(
            "--vantages",
            type=click.Path(dir_okay=False, path_type=Path),
            envvar="SARHAD_VANTAGES",
            help="File of vantages to probe from.  [default: this machine]",
        ),
        click.option(
            "--target-rate",
            type=_RATE,
            default=50.0,
            show_default=True,
            help="Packets a second to each.",
        ),
        click.option(
            "--rate", type=_RATE, default=1000.0, show_default=True, help="Packets a second in all."
        ),
        click.option("--port", type=click.IntRange(1, 65535), help="Port, for TCP and UDP."),
        click.option(
            "--method", type=click.Choice(["icmp", "tcp", "udp"]), default="icmp", show_default=True
        ),
        click.option(
            "--input",
            "file",
            type=click.File(encoding="utf-8"),
            help="File of addresses, one a line, or -.",
        ),
        click.argument("addresses", nargs=-1),
    ):
        command = option(command)
    return command


@click.group()
def probe() -> None:
    """Ping or trace addresses with the packet engine; observation records go to standard output.

    Each line is one record (JSON Lines), written as soon as its address is done. Probe only what you may:
    a scan probes nothing but what providers declared.
    """


@probe.command()
@_common
@click.option("--count", type=click.IntRange(1, 65535), default=5, show_default=True)
@click.option("--interval", type=_SECONDS, default=0.05, show_default=True, help="Seconds between probes.")
@click.option("--timeout", type=_SECONDS, default=1.0, show_default=True, help="Seconds to wait.")
def ping(count: int, interval: float, timeout: float, **common: Any) -> int:
    """Round-trip times of addresses."""

    def pings(engine: Engine, addresses: Iterator[str]) -> _Stream:
        return engine.pings(
            addresses,
            common["method"],
            common["port"],
            count=count,
            interval_s=interval,
            timeout_s=timeout,
        )

    return _run("ping", pings, common)


@probe.command()
@_common
@click.option("--max-ttl", type=click.IntRange(1, 255), default=30, show_default=True)
@click.option(
    "--wait",
    type=_SECONDS,
    default=1.0,
    show_default=True,
    help="Seconds to wait, at most.",
)
@click.option(
    "--attempts", type=click.IntRange(1, 255), default=2, show_default=True, help="Probes to a silent hop."
)
@click.option("--deadline", type=_SECONDS, default=30.0, show_default=True, help="Seconds for an address.")
@click.option(
    "--paths",
    type=click.IntRange(1, 256),
    help="Find all load-balanced paths, by so many flows at the most.  [default: one flow's path]",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Of having found all next hops of a router, with --paths.",
)
def trace(
    max_ttl: int,
    wait: float,
    attempts: int,
    deadline: float,
    paths: int | None,
    confidence: float,
    **common: Any,
) -> int:
    """Paths to addresses (Paris traceroute; with --paths the Multipath Detection Algorithm)."""

    def traces(engine: Engine, addresses: Iterator[str]) -> _Stream:
        if paths is not None:
            return engine.multipaths(
                addresses,
                common["method"],
                common["port"],
                flows=paths,
                confidence=confidence,
                max_ttl=max_ttl,
                wait_s=wait,
                attempts=attempts,
                deadline_s=deadline,
            )
        return engine.traces(
            addresses,
            common["method"],
            common["port"],
            max_ttl=max_ttl,
            wait_s=wait,
            attempts=attempts,
            deadline_s=deadline,
        )

    return _run("trace", traces, common)


def _run(kind: str, measure: _Measure, common: dict[str, Any]) -> int:
    from probes.failure import VantageError  # noqa: PLC0415  --help does not need the engine

    if common["method"] == "tcp" and common["port"] is None:
        raise click.UsageError("--method tcp needs a --port")
    if common["method"] == "icmp" and common["port"] is not None:
        raise click.UsageError("--port is for --method tcp and udp; ICMP has none")
    addresses = _addresses(common["addresses"], common["file"])
    try:
        return asyncio.run(_write(kind, measure, addresses, common))
    except VantageError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        return INTERRUPTED


async def _write(kind: str, measure: _Measure, addresses: list[str], common: dict[str, Any]) -> int:
    import msgspec  # noqa: PLC0415

    from probes.engine.engine import Engine  # noqa: PLC0415
    from probes.engine.pacing import Pace, Rates  # noqa: PLC0415
    from probes.vantages.local import LocalVantage  # noqa: PLC0415

    means = _vantage(common["vantages"], common["vantage"])
    pace = Pace(Rates(process=common["rate"], vantage=common["rate"], target=common["target_rate"]))
    encoder, write = msgspec.json.Encoder(), sys.stdout.buffer.write
    with LocalVantage(means) as local:
        async with Engine(local, pace, common["contact"]) as engine:
            stream = measure(engine, iter(addresses))
            try:
                async for address, outcome in stream:
                    write(encoder.encode(_observation(kind, means.id, address, outcome)) + b"\n")
            finally:
                await stream.aclose()
                sys.stdout.buffer.flush()
            if engine.dropped:
                click.echo(
                    f"{engine.dropped} packets came faster than they were read, so answers are missing: "
                    "use a lower --rate, or allow a larger receive buffer (sysctl net.core.rmem_max)",
                    err=True,
                )
    return 0


def _observation(
    kind: str, vantage: str, address: str, outcome: PingResult | TraceResult | MeasureError
) -> PingObservation | TraceObservation:
    from probes.failure import MeasureError  # noqa: PLC0415
    from probes.observation import (  # noqa: PLC0415
        PingObservation,
        PingResult,
        TraceObservation,
        TraceResult,
        now,
    )
    from probes.trace import why_short  # noqa: PLC0415

    error: ErrorCode | None = None
    result: object = outcome
    if isinstance(outcome, MeasureError):
        error, result = outcome.code, outcome.result
    identity, time = f"{address}@{vantage}:{kind}", now()
    if kind == "trace":
        traced = result if isinstance(result, TraceResult) else None
        if error is None and traced is not None:
            error = why_short(traced, 6 if ":" in address else 4)
        return TraceObservation(
            id=identity,
            vantage=vantage,
            endpoint=address,
            address=address,
            time=time,
            error=error,
            result=traced,
        )
    pinged = result if isinstance(result, PingResult) else None
    if error is None and pinged is not None and not pinged.rtts_ms:
        error = "timeout"
    return PingObservation(
        id=identity, vantage=vantage, endpoint=address, address=address, time=time, error=error, result=pinged
    )


def _vantage(file: Path | None, identity: str | None) -> Means:
    from probes.vantages.local import Here  # noqa: PLC0415

    if file is None:
        if identity is not None:
            raise click.UsageError("--vantage needs --vantages, the file that has it")
        return Here()
    from probes.document import DocumentError  # noqa: PLC0415
    from probes.vantages.vantage import load_vantages  # noqa: PLC0415

    try:
        vantages = {vantage.id: vantage for vantage in load_vantages(file)}
    except DocumentError as error:
        raise click.ClickException(str(error)) from error
    if identity is None and len(vantages) == 1:
        return next(iter(vantages.values()))
    if identity not in vantages:
        raise click.UsageError(f"--vantage must be one of {', '.join(vantages)}")
    return vantages[identity]


def _addresses(given: tuple[str, ...], file: Any) -> list[str]:
    """The addresses of the command line, then those of the file; every one that is none is named."""
    lines = enumerate(file, 1) if file is not None else ()
    named = [(f"{file.name}, line {number}", line.split("#")[0].strip()) for number, line in lines]
    found, faults = [], []
    for where, text in [*(("argument", each) for each in given), *named]:
        if not text:
            continue
        try:
            found.append(str(ipaddress.ip_address(text)))
        except ValueError:
            faults.append(f"{where}: {text!r} is not an IP address; resolve names first")
    if faults:
        raise click.UsageError("\n".join(faults[:20]))
    if not found:
        raise click.UsageError("no address: give some, or a file of them with --input")
    return found
