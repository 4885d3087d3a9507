"""The memory of a process (proc(5))."""

from __future__ import annotations

import re
from pathlib import Path


def forget_peak() -> None:
    """Have the peak of this process's resident set start anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def octets(name: str, process: int | str = "self") -> int:
    """Octets, by a name of a process's status: ``VmRSS`` now, ``VmHWM`` at most."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
