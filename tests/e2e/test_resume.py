"""A scan that was killed is finished by another, which measures nothing that the first had kept."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from probes.observation import kind_of
from scanner.run import decode, encode
from scanner.store import Store
from scanner.store.records import unpack_observations

pytestmark = [pytest.mark.net, pytest.mark.e2e, pytest.mark.timeout(240)]
SARHAD = Path(sys.executable).with_name("sarhad")
WORLD = files("probes").joinpath("simnet", "worlds", "pakistan.yaml")
SCAN = (
    f"{shlex.quote(str(SARHAD))} scan --vantages $SARHAD_WORLD/vantages.yaml"
    " --geodata $SARHAD_WORLD/geodata --trust $SARHAD_WORLD/ca.pem --format json"
)
# The first scan is killed once the journal holds enough, the second is broken off by Ctrl-C.
SCRIPT = """
kept() {{ {python} -c '
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT coalesce(sum(count), 0) FROM journal").fetchone()[0])
' {place} 2>/dev/null || echo 0; }}
until_kept() {{ while [ $(kept) -lt $1 ]; do sleep 0.2; kill -0 $2 || exit 99; done; }}
{scan} >/dev/null & first=$!
until_kept 60 $first
kill -KILL $first; wait $first
echo killed $? $(kept)
cp {place} {directory}/killed.db; cp {place}-wal {directory}/killed.db-wal
{scan} --resume >/dev/null 2>{directory}/second.err & second=$!
until_kept 180 $second
kill -INT $second; wait $second
echo interrupted $? $(kept)
{scan} --resume >{directory}/run.json
echo finished $?
"""


def observations(path: Path) -> list[object]:
    """What the journal of a store holds."""
    with Store.open(str(path)) as store, store._database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT records FROM journal ORDER BY part")
        return [one for (records,) in rows for one in unpack_observations(records)]


@pytest.mark.usefixtures("simulates")
class TestResume:
    """After ``kill -9``, and after Ctrl-C, ``sarhad scan --resume`` finishes the scan."""

    def test_it_finishes_and_measures_nothing_twice(self, tmp_path: Path) -> None:
        place = tmp_path / "sarhad.db"
        register = yaml.safe_load(WORLD.read_text())["register"]
        some = {**register, "providers": register["providers"][:3], "waivers": []}
        (tmp_path / "register.yaml").write_text(yaml.safe_dump(some))
        script = SCRIPT.format(
            python=sys.executable,
            place=place,
            directory=tmp_path,
            scan=f"{SCAN} --register {tmp_path}/register.yaml --store {place}",
        )
        done = subprocess.run(
            [SARHAD, "simnet", str(WORLD), "--", "bash", "-c", script],
            capture_output=True,
            text=True,
            timeout=230,
            check=False,
        )
        killed, interrupted, finished = (line.split() for line in done.stdout.splitlines())
        assert killed[:2] == ["killed", str(128 + signal.SIGKILL)]
        assert interrupted[:2] == ["interrupted", "130"]
        assert "--resume finishes this scan" in (tmp_path / "second.err").read_text()
        assert finished == ["finished", "0"]

        run = decode((tmp_path / "run.json").read_bytes())
        assert run.complete
        before = observations(tmp_path / "killed.db")
        assert len(before) >= 60
        assert list(run.observations[: len(before)]) == before, "they are the same, with their times"
        times = Counter((kind_of(one), one.vantage, one.endpoint, one.address) for one in run.observations)
        assert {kind for (kind, *_), count in times.items() if count > 1} == {"tls", "http"}
        assert max(times.values()) == 2, "once, and once calmly"
        assert len({one.id for one in run.observations}) == len(run.observations)
        (notice,) = [one for one in run.notices if "broken off" in one]
        assert f"{interrupted[2]} observations are older" in notice
        assert run.started < min(one.time for one in run.observations)

        with Store.open(str(place)) as store:
            assert encode(store.run("last")) == (tmp_path / "run.json").read_bytes()
            assert len(store.runs(9)) == 1
        assert observations(place) == []
