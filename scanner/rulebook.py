"""The rulebook: the policy's file, the shipped one or a deployment's own."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from probes.document import Document
from scanner.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a file, or the one that is shipped; a ``DocumentError`` lists all that is wrong."""
    if path is None:
        shipped = files("scanner").joinpath("data", "policy.yaml")
        return Document.parse(shipped.read_bytes(), "policy.yaml").validate(Policy)
    return Document.read(path).validate(Policy)
