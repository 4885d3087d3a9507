"""The main job as the command line runs it: files in, scan, judgement, outputs, exit status."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, ParamSpec, TypeVar

import click
import msgspec

from probes.engine.pacing import Pace, Rates
from probes.failure import VantageError
from probes.observation import now, written
from probes.target import Settings
from scanner import metrics
from scanner.cli import exits
from scanner.files import Files, FilesError, collect
from scanner.files import load as load_files
from scanner.judge import compose, special_name
from scanner.policy import SEVERITIES
from scanner.record import RecordError, read_observations
from scanner.report.formats import FORMATS
from scanner.report.text import printable
from scanner.run import decode, encode_parts, observation_lines
from scanner.scan import Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from rich.progress import TaskID

    from probes.observation import Observation
    from scanner.judge import Inputs
    from scanner.metrics import Detail
    from scanner.register import Register
    from scanner.run import Run
    from scanner.scan import Progress
    from scanner.store import Journal

_P = ParamSpec("_P")
_T = TypeVar("_T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_RUN_OCTETS: Final = 4 << 30


@dataclass(frozen=True, slots=True)
class Output:
    """Where the run goes, in which format; standard output where there is no path.

    ``detail`` is that of metrics.
    """

    format: str
    path: Path | None = None
    detail: Detail = "full"

    def parts(self, run: Run, register: Register | None = None) -> Iterable[bytes]:
        """The run in that format, those that are as large as it a part at a time.

        Metrics say too when what the register grants ends, where it is given.
        """
        match self.format:
            case "json":
                return encode_parts(run)
            case "jsonl":
                return observation_lines(run.observations)
            case "prometheus":
                return (metrics.render(run, self.detail, register),)
            case _:
                return (FORMATS[self.format](run),)


def parse_outputs(format_: str, outputs: Sequence[str], detail: Detail) -> list[Output]:
    """``--format`` for standard output and each ``--output fmt=path``; a wrong one is a usage error."""
    parsed = [Output(format_, detail=detail)]
    for text in outputs:
        name, separator, path = text.partition("=")
        if not separator or name not in FORMATS or not path:
            raise click.UsageError(
                f"--output {text!r} is not of the form fmt=path with a format of {', '.join(FORMATS)}"
            )
        parsed.append(Output(name, Path(path), detail))
    return parsed


def load(files: Files, today: date | None = None) -> Inputs:
    """Everything a judgement needs from files; each fault of each file becomes one line of a message."""
    try:
        return load_files(files, today)
    except FilesError as error:
        raise click.ClickException(str(error)) from error


def measuring(
    contact: str, rate: float, trust: Path | None, *, crawl: bool = False
) -> tuple[Settings, Rates]:
    """The probes' settings from the command line's; ``trust`` must be a readable file."""
    if trust is not None and not trust.is_file():
        raise click.ClickException(f"--trust {trust}: no such file")
    return Settings(contact=contact, trust=trust, crawl=crawl), Rates(process=rate, vantage=rate)


def scan(
    inputs: Inputs, settings: Settings, rates: Rates, pcap: Path | None, journal: Journal | None = None
) -> Run:
    """Measure and judge; a run that is not complete was interrupted. ``pcap`` is a directory for packets.

    With a journal, the scan goes on from what that holds and writes there what it measures.
    """
    started = journal.started if journal else now()
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        work = Scan(
            inputs.register.endpoints,
            inputs.vantages,
            lambda address: special_name(inputs.snapshot, address),
            settings,
            Pace(rates),
            progress,
            pcap,
            *((journal.before, journal.write) if journal else ()),
        )
        if journal:
            stack.enter_context(journal)
        try:
            if pcap is not None:
                pcap.mkdir(mode=0o700, parents=True, exist_ok=True)
            asyncio.run(_until_signal(work))
        except VantageError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if pcap is None or error.filename is None:
                raise
            raise click.ClickException(f"--pcap: {error.filename}: {error.strerror}") from error
    return compose(
        inputs,
        work.measured.observations,
        started,
        complete=work.measured.complete,
        methods=work.measured.methods,
        notices=[*(journal.notices if journal else ()), *work.measured.notices],
    )


def rejudge(files: Files, observations: Sequence[Observation]) -> tuple[Run, Inputs]:
    """Judge recorded observations, with what that used.

    The run's times, and the day on which waivers and accreditations must hold, are those of the records and
    not of this machine's clock: judged again next year, the same records give the same run.
    """
    moments = [datetime.fromisoformat(one.time) for one in observations] or [datetime.now(UTC)]
    first, last = min(moments).astimezone(UTC), max(moments).astimezone(UTC)
    inputs = load(files, last.date())
    return compose(inputs, observations, written(first), finished=written(last), complete=True), inputs


def read_records(path: Path) -> list[Observation]:
    """The observation records of a file; what is wrong with one becomes a message."""
    try:
        with _values_that_stay():
            return read_observations(path)
    except RecordError as error:
        raise click.ClickException(printable(str(error))) from error


@contextlib.contextmanager
def _values_that_stay() -> Iterator[None]:
    """Millions of values that all stay: to look for garbage among them takes longer than to read them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def read_run(name: str, place: str | None = None) -> Run:
    """The run in a JSON file that ``--output json=`` wrote, or of a store by its id, or ``last~1``.

    What is wrong with it becomes a message.
    """
    path = Path(name)
    if place is not None and not path.exists():
        from scanner.cli import kept  # noqa: PLC0415  databases are slow to import

        with kept.opened(place) as store, _values_that_stay():
            return store.run(name)
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_RUN_OCTETS + 1)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be read: {error.strerror}") from error
    if len(octets) > MAX_RUN_OCTETS:
        raise click.ClickException(f"{path}: is larger than {MAX_RUN_OCTETS} octets")
    try:
        with _values_that_stay():
            run = decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(printable(f"{path}: is no run of sarhad: {error}")) from error
    for field, time in (("started", run.started), ("finished", run.finished)):
        if not _is_time(time):
            raise click.ClickException(
                printable(f"{path}: {field}: {time[:40]!r} is not a time with its zone, as in RFC 3339")
            )
    return run


def _is_time(text: str) -> bool:
    try:
        time = datetime.fromisoformat(text)
        return time.tzinfo is not None and time.astimezone(UTC) > _EPOCH
    except (ValueError, OverflowError):
        return False


def told(load: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """What ``load`` gives; what is wrong with its files becomes a message."""
    faults: list[str] = []
    with collect(faults):
        return load(*arguments, **named)
    raise click.ClickException("\n".join(faults))


async def _until_signal(work: Scan) -> None:
    """Run the scan; SIGINT and SIGTERM end it cleanly, keeping what was measured."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work.run())
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def finish(run: Run, outputs: Sequence[Output], inputs: Inputs, fail_on: str | None) -> int:
    """Write every output and return the exit status that the run deserves.

    Standard output comes last: whoever closes it, or fills the disk behind it, takes no file away. Nor does
    one output that cannot be written take away the others. ``fail_on`` is the command line's least severity;
    the policy has a word where that says nothing.
    """
    fail = inputs.policy.fail
    faults: list[str] = []
    for output in sorted(outputs, key=lambda one: one.path is None):
        try:
            write(run, output, inputs.register)
        except click.ClickException as error:
            faults.append(error.message)
    if faults:
        raise click.ClickException("\n".join(faults))
    if not run.complete:
        return exits.INTERRUPTED
    if fail_on != "never":
        limit = SEVERITIES.index(fail_on or fail.severity)
        for result in run.endpoints:
            if result.status == "violation" and SEVERITIES.index(result.severity) >= limit:
                return exits.VIOLATION
    undecided = sum(result.status == "indeterminate" for result in run.endpoints)
    if undecided > fail.indeterminate_share * len(run.endpoints):
        return exits.INCOMPLETE
    return exits.CLEAN if all(vantage.up for vantage in run.vantages) else exits.INCOMPLETE


def write(run: Run, output: Output, register: Register | None = None) -> None:
    """Write one output; files are replaced atomically, so that a reader never sees half of one."""
    if output.path is None:
        try:
            _write_stream(run, output, register)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(f"standard output: cannot be written: {error.strerror}") from error
    else:
        replace(output.path, output.parts(run, register))


def _write_stream(run: Run, output: Output, register: Register | None) -> None:
    if output.format == "table":
        from scanner.report import table  # noqa: PLC0415  rich is slow to import

        table.write(run, sys.stdout)
    else:
        sys.stdout.buffer.writelines(output.parts(run, register))
    sys.stdout.flush()


def replace(path: Path, parts: Iterable[bytes]) -> None:
    """Replace a file; that it cannot be written becomes a message."""
    try:
        with replacing(path) as stream:
            stream.writelines(parts)
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside ``path`` that takes its place once all is written; none is left of what failed."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar on standard error where that is a terminal; nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415  rich is slow to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"Measuring {stage}", total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield report
