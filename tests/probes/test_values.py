"""The small pure parts of the probes: names, headers, URLs, codes, the clock."""

from __future__ import annotations

import contextlib
import errno
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import hostname
from probes.clock import Clock
from probes.failure import MeasureError, error_code
from probes.http import MAX_HEADERS, MAX_VALUE, bounded, url_of, user_agent
from probes.target import Target
from probes.tls import measuring_context

if TYPE_CHECKING:
    from collections.abc import Callable


class TestHostname:
    """A host is a DNS name in ASCII, or it is refused."""

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            ("portal.indus.example", "portal.indus.example"),
            ("portal.indus.example.", "portal.indus.example"),
            ("پاکستان.example", "xn--mgbai9azgqp6j.example"),
            ("203.0.113.7", None),
            ("2001:db8::1", None),
            (None, None),
        ],
    )
    def test_indication(self, host: str | None, name: str | None) -> None:
        assert hostname.indication(host) == name

    @pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "a." * 200, "\u200d.example", ""])
    def test_refused(self, host: str) -> None:
        with pytest.raises(MeasureError):
            hostname.parse(host)

    @given(host=st.text(max_size=80))
    def test_any_text(self, host: str) -> None:
        with contextlib.suppress(MeasureError):
            hostname.present(hostname.parse(host)).encode("ascii")


class TestHttp:
    """What servers write is cut to size, and what is no URL is no target."""

    @given(raw=st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=900)), max_size=90))
    def test_headers_are_bounded(self, raw: list[tuple[bytes, bytes]]) -> None:
        headers = bounded(tuple(raw))
        assert len(headers) <= MAX_HEADERS
        assert all(len(value) <= MAX_VALUE for value in headers.values())
        "".join(headers.values()).encode("latin-1")

    @pytest.mark.parametrize(
        ("target", "url"),
        [
            (Target("e", url="https://a.example/x?y"), "https://a.example/x?y"),
            (Target("e", host="a.example", port=443), "https://a.example/"),
            (Target("e", host="a.example", scheme="http"), "http://a.example/"),
            (Target("e", address="2001:db8::1", port=8080, scheme="http"), "http://[2001:db8::1]:8080/"),
            (Target("e", host="a.example", port=5432), None),
            (Target("e", url="ftp://a.example/"), None),
            (Target("e", url="https://[bad/"), None),
        ],
    )
    def test_url(self, target: Target, url: str | None) -> None:
        assert str(url_of(target) or "") == (url or "")

    def test_user_agent_is_one_line_with_the_contact(self) -> None:
        agent = user_agent("mailto:noc@example.org\r\nX: y")
        assert agent.startswith("sarhad/")
        assert agent.endswith("(+mailto:noc@example.orgX: y)")


class TestTls:
    """Without an ephemeral key exchange TLS 1.2 has no signature to time."""

    def test_only_ephemeral_suites_are_offered(self) -> None:
        names = [cipher["name"] for cipher in measuring_context().get_ciphers()]
        assert names
        assert all(name.startswith(("TLS_", "ECDHE-", "DHE-")) for name in names)


class TestCodes:
    """Every failure has a code of the record."""

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (MeasureError("loop"), "loop"),
            (TimeoutError(), "timeout"),
            (OSError(errno.ENETUNREACH, ""), "unreachable"),
            (OSError(errno.EPERM, ""), "prohibited"),
            (OSError(errno.ECONNREFUSED, ""), "refused"),
            (OSError(9999, ""), "unreachable"),
            (ValueError(), "protocol"),
        ],
    )
    def test_code(self, error: Exception, code: str) -> None:
        assert error_code(error) == code


class TestClock:
    """Stamps of a wall clock that was stepped are not used."""

    def test_steady(self) -> None:
        clock = Clock()
        assert clock.offset() == pytest.approx(time.time() - time.monotonic(), abs=0.01)

    @pytest.mark.parametrize("step_ns", [2_000_000, -2_000_000, 3_600_000_000_000])
    def test_step(self, monkeypatch: pytest.MonkeyPatch, step_ns: int) -> None:
        clock = Clock()
        real: Callable[[], int] = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: real() + step_ns)
        assert clock.offset() is None
        assert clock.offset() is not None
