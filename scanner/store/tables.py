"""The tables of a store, as the newest migration leaves them.

A run is one row of ``runs`` (what it used, compressed), a row of ``verdicts`` for each endpoint, and parts of
``observations``, each of several hundred records. ``unfinished`` is the scan that goes on, ``journal`` what
it has measured so far, in parts of the same form. Times are RFC 3339 in UTC with microseconds, so that they
sort as text; compressed columns are JSON in zlib's format (RFC 1950).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

REVISION: Final = "0001"  # of the migration that these tables are the result of
VERSION_TABLE: Final = "sarhad_schema"

# Compared octet by octet in either database, whatever the language that it sorts in.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")  # an INTEGER key numbers itself in SQLite

METADATA: Final = MetaData()

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("id", _TEXT, nullable=False, unique=True),
    Column("sha256", Text, nullable=False),  # of the run as it was stored
    Column("started", _TEXT, nullable=False),
    Column("finished", _TEXT, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("endpoints", Integer, nullable=False),
    Column("observations", Integer, nullable=False),
    Column("violations", Integer, nullable=False),
    Column("undecided", Integer, nullable=False),
    Column("observations_removed", Text),  # when retention took them
    Column("document", LargeBinary, nullable=False),
    Index("runs_by_time", "started"),
)

VERDICTS: Final = Table(
    "verdicts",
    METADATA,
    Column("run", _NUMBER, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("endpoint", _TEXT, nullable=False),
    Column("started", _TEXT, nullable=False),  # the run's
    Column("location", Text, nullable=False),
    Column("assurance", Text),
    Column("path", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("verdicts_by_endpoint", "endpoint", "started"),
)

OBSERVATIONS: Final = Table(
    "observations",
    METADATA,
    Column("run", _NUMBER, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("records", LargeBinary, nullable=False),
)

UNFINISHED: Final = Table(
    "unfinished",
    METADATA,
    Column("number", _NUMBER, primary_key=True),
    Column("started", _TEXT, nullable=False),
    Column("circumstances", Text, nullable=False),
)

JOURNAL: Final = Table(
    "journal",
    METADATA,
    Column("scan", _NUMBER, ForeignKey("unfinished.number", ondelete="CASCADE"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("records", LargeBinary, nullable=False),
)
