"""The read API: pages, tokens, and answers that are as the OpenAPI document says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema

from tests.scanner.daemon.conftest import BEARER, ENDPOINT, OTHER, TOKEN, TOKEN_HASH, until

if TYPE_CHECKING:
    import aiohttp

    from tests.scanner.daemon.conftest import Daemon

TOKENS = [{"name": "audit", "hash": TOKEN_HASH}]


async def got(client: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with client.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


class TestAnswers:
    """Every answer has the shape that the OpenAPI document gives it."""

    async def test_shapes(self, daemon: Daemon) -> None:
        daemon.keep(0, 1)
        daemon.config["tokens"] = TOKENS
        async with daemon.run() as client:
            document = await got(client, "/api/v1/openapi.json")
            assert document["openapi"] == "3.1.0"
            paths = {
                "/api/v1/runs": "/api/v1/runs",
                "/api/v1/runs/{run}": "/api/v1/runs/last",
                "/api/v1/runs/{run}/endpoints": "/api/v1/runs/last~1/endpoints",
                "/api/v1/runs/{run}/observations": "/api/v1/runs/last/observations",
                "/api/v1/endpoints": "/api/v1/endpoints",
                "/api/v1/history": f"/api/v1/history?endpoint={ENDPOINT}",
                "/api/v1/changes": "/api/v1/changes?old=last~1&new=last",
            }
            assert set(paths) == set(document["paths"]) - {"/api/v1/scans"}
            for name, path in paths.items():
                answer = await got(client, path, **BEARER)
                content = document["paths"][name]["get"]["responses"]["200"]["content"]
                schema = {**content["application/json"]["schema"], "components": document["components"]}
                jsonschema.validate(answer, schema, jsonschema.Draft202012Validator)
                assert name == "/api/v1/changes" or answer.get("items") != [], name

    async def test_pages_have_everything_once(self, daemon: Daemon) -> None:
        daemon.keep(0, 1, 2, 3)
        async with daemon.run() as client:
            found: list[str] = []
            path: str | None = "/api/v1/runs?limit=2"
            while path is not None:
                page = await got(client, path)
                assert len(page["items"]) <= 2
                found += [one["id"] for one in page["items"]]
                path = page["next"]
        assert len(found) == len(set(found)) == 5

    async def test_endpoints_by_what_they_are(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for query, ids in (
                ("", [ENDPOINT, OTHER]),
                ("?data_class=open", [OTHER]),
                ("?status=compliant&provider=indus", [ENDPOINT]),
                ("?endpoint=x", []),
            ):
                page = await got(client, f"/api/v1/endpoints{query}")
                assert [one["endpoint"] for one in page["items"]] == ids
                assert page["total"] == len(ids)

    async def test_a_run_is_without_its_evidence(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            run = await got(client, "/api/v1/runs/last")
        assert (run["observations"], run["claims"], run["endpoints"]) == ([], {}, [])


class TestTokens:
    """Reading evidence and starting a scan need a token."""

    async def test_a_wrong_one(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["tokens"] = TOKENS
        wrong = (
            "",
            "Bearer",
            "Bearer x",
            f"Basic {TOKEN}",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN} {TOKEN}",
        )
        async with daemon.run() as client:
            for method, path in (("GET", "/api/v1/runs/last/observations"), ("POST", "/api/v1/scans")):
                for headers in ({}, *({"Authorization": one} for one in wrong)):
                    async with client.request(method, path, headers=headers) as response:
                        assert response.status == 401
                        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    async def test_where_none_is_configured_none_is_good(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert (await client.post("/api/v1/scans", headers=BEARER)).status == 401

    async def test_evidence(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["tokens"] = TOKENS
        async with daemon.run() as client:
            page = await got(client, f"/api/v1/runs/last/observations?endpoint={ENDPOINT}&limit=2", **BEARER)
            assert ([one["vantage"] for one in page["items"]], page["total"]) == (["khi", "khi"], 3)
            page = await got(client, "/api/v1/runs/last/observations?endpoint=x", **BEARER)
            assert page["items"] == []

    async def test_a_scan(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["tokens"] = TOKENS
        async with daemon.run() as client:
            response = await client.post("/api/v1/scans", json={"classes": ["open"]}, headers=BEARER)
            assert (response.status, await response.json()) == (202, {"classes": ["open"]})
            assert daemon.service is not None
            state = daemon.service._server.state
            assert state is not None
            before = state.runs["restricted"].id
            await until(lambda: state.runs["open"].id != before)
            await until(lambda: not state.scanning)
            assert state.runs["restricted"].id == before, "only what was asked for"
            runs = await got(client, "/api/v1/runs")
            assert [one["endpoints"] for one in runs["items"]] == [1, 2]
            found = await got(client, "/api/v1/endpoints")
            assert [one["endpoint"] for one in found["items"]] == [ENDPOINT, OTHER], "both are known still"

    async def test_a_scan_of_what_is_not_there(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["tokens"] = TOKENS
        bodies = (
            b"[]",
            b"{",
            b'{"classes": ["none"]}',
            b'{"class": []}',
            b'{"classes": ["secret"]}',
            b"\xff",
        )
        async with daemon.run() as client:
            for body in bodies:
                response = await client.post("/api/v1/scans", data=body, headers=BEARER)
                assert response.status == 400, body
