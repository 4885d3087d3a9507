"""Chromium without a screen, over its DevTools protocol: as little of it as the tests of the page need."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PATIENCE_S: Final = 20.0
_ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--window-size=1280,900",
)


@contextlib.contextmanager
def chromium(program: str, directory: Path) -> Iterator[int]:
    """The port on loopback of a browser with an empty profile in ``directory``, ended afterwards."""
    with subprocess.Popen(
        [program, *_ARGUMENTS, f"--user-data-dir={directory}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield _port(directory / "DevToolsActivePort", process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (lines := file.read_text(encoding="ascii").splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError(f"chromium did not start (status {process.poll()})")


class Tab:
    """One tab. ``events`` are all that came so far, as (method, parameters)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Event()
        self.events: list[tuple[str, dict[str, Any]]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, port: int) -> AsyncIterator[Self]:
        """A new tab of the browser at a port, closed afterwards."""
        base = f"http://127.0.0.1:{port}/json"
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{base}/new?about:blank") as answer:
                target = await answer.json(content_type=None)
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = cls(socket)
                reader = asyncio.create_task(tab._read())
                try:
                    for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
                        await tab.call(f"{domain}.enable")
                    yield tab
                finally:
                    reader.cancel()
            async with session.get(f"{base}/close/{target['id']}"):
                pass

    async def _read(self) -> None:
        async for message in self._socket:
            document = message.json()
            if "id" in document:
                self._waiting.pop(document["id"]).set_result(document)
            else:
                self.events.append((document["method"], document["params"]))
                self._news.set()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        id_ = next(self._ids)
        self._waiting[id_] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": id_, "method": method, "params": parameters})
        document = await asyncio.wait_for(self._waiting[id_], PATIENCE_S)
        assert "error" not in document, document
        result: dict[str, Any] = document["result"]
        return result

    async def load(self, path: Path) -> None:
        """Show a file, until it is loaded."""
        await self.call("Page.navigate", url=path.as_uri())
        async with asyncio.timeout(PATIENCE_S):
            while not any(method == "Page.loadEventFired" for method, _ in self.events):
                self._news.clear()
                await self._news.wait()

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript comes to, after a promise of it is kept."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def complaints(self) -> list[str]:
        """What the browser logged: errors of scripts, refusals of the policy, failed requests."""
        return [
            str(parameters)
            for method, parameters in self.events
            if method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        ]

    def requests(self) -> list[str]:
        """What was asked for, by URL."""
        return [
            parameters["request"]["url"]
            for method, parameters in self.events
            if method == "Network.requestWillBeSent"
        ]
