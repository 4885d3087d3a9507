"""Runs with their verdicts and observations, and the journal of the scan that goes on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make everything."""
    op.create_table(
        "runs",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("id", _TEXT, nullable=False, unique=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("started", _TEXT, nullable=False),
        sa.Column("finished", _TEXT, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("endpoints", sa.Integer, nullable=False),
        sa.Column("observations", sa.Integer, nullable=False),
        sa.Column("violations", sa.Integer, nullable=False),
        sa.Column("undecided", sa.Integer, nullable=False),
        sa.Column("observations_removed", sa.Text),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("runs_by_time", "runs", ["started"])
    op.create_table(
        "verdicts",
        sa.Column("run", _NUMBER, sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("endpoint", _TEXT, nullable=False),
        sa.Column("started", _TEXT, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("assurance", sa.Text),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("addresses", sa.Text, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )
    op.create_index("verdicts_by_endpoint", "verdicts", ["endpoint", "started"])
    op.create_table(
        "observations",
        sa.Column("run", _NUMBER, sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("records", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "unfinished",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("started", _TEXT, nullable=False),
        sa.Column("circumstances", sa.Text, nullable=False),
    )
    op.create_table(
        "journal",
        sa.Column("scan", _NUMBER, sa.ForeignKey("unfinished.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("records", sa.LargeBinary, nullable=False),
    )
