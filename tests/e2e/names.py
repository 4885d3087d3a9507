"""``python -m tests.e2e.names WORLD NAME ADDRESS…``: a world's names, but for one that leads elsewhere.

To be run in the network namespace of a farm; who changes where the name leads starts another.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

from probes.simnet.loading import load_world
from probes.simnet.nameserver import Directory, serving
from probes.simnet.world import Answer, Name

HOST, PORT = "198.18.1.53", 5353


async def main(world_file: Path, moved: str, addresses: tuple[str, ...]) -> None:
    """Answer until ended."""
    world = load_world(world_file)
    assert world.dns is not None
    kept = tuple(one for one in world.dns.names if one.name != moved)
    names = world.dns.model_copy(update={"names": (*kept, Name(name=moved, answers=(Answer(a=addresses),)))})
    with (
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        socket.socket(type=socket.SOCK_STREAM) as streams,
    ):
        for one in (datagrams, streams):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((HOST, PORT))
        async with (
            asyncio.TaskGroup() as tasks,
            serving(Directory(names, world.vantages), [datagrams], [streams], tasks),
        ):
            sys.stdout.write("answering\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], tuple(sys.argv[3:])))
