"""``python -m probes.simnet WORLD [-- COMMAND …]``: run a command inside a simulated Internet."""

from __future__ import annotations

import sys
from pathlib import Path

from probes.document import DocumentError
from probes.simnet.sandbox import SandboxError
from probes.simnet.session import run
from probes.simnet.simnet import SimnetError

_USAGE = "usage: python -m probes.simnet WORLD [-- COMMAND ...]\n"


def main(arguments: list[str]) -> int:
    """Run and return the exit status: the command's, 2 for a faulty world or machine, 130 if interrupted."""
    if not arguments or arguments[0] in {"-h", "--help"} or arguments[1:2] not in ([], ["--"]):
        sys.stderr.write(_USAGE)
        return 2
    try:
        return run(Path(arguments[0]), arguments[2:])
    except (DocumentError, SandboxError, SimnetError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
