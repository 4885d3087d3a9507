"""How a failed system call becomes the error code of an observation."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.observation import ErrorCode


class MeasureError(Exception):
    """A measurement that failed; ``code`` is what the observation says, ``result`` what there is of it."""

    def __init__(self, code: ErrorCode, message: str = "", result: object = None) -> None:
        super().__init__(message or code)
        self.code = code
        self.result = result


class VantageError(Exception):
    """A vantage cannot be used for what was asked of it."""


class PrivilegeError(VantageError):
    """This process is not allowed to do what the vantage needs; the message says what would allow it."""


_CODES: dict[int, ErrorCode] = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENODEV: "unreachable",  # the interface that the vantage is bound to went away
    errno.EPERM: "prohibited",  # this machine's own firewall
    errno.EACCES: "prohibited",  # ICMP administratively prohibited, or a prohibit route of this machine's
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPROTO: "protocol",
    errno.EAFNOSUPPORT: "unsupported",
    errno.EADDRNOTAVAIL: "unsupported",
    errno.EINVAL: "unsupported",
    errno.ENOPROTOOPT: "unsupported",
    errno.EMFILE: "unsupported",
    errno.ENFILE: "unsupported",
}


# Codes of "destination unreachable" that say that somebody forbids it: communication with a network or host
# prohibited, and filtered (RFC 1812, 5.2.7.1); prohibited, source address failed policy, reject route
# (RFC 4443, 3.1).
_FORBIDDEN: dict[int, frozenset[int]] = {4: frozenset({9, 10, 13}), 6: frozenset({1, 5, 6})}


def refusal(version: int, code: int) -> ErrorCode:
    """What an ICMP "destination unreachable" of an IP version means."""
    return "prohibited" if code in _FORBIDDEN[version] else "unreachable"


def error_code(error: BaseException) -> ErrorCode:
    """The code for an error of a socket; what is not known is ``unreachable``: no answer was possible."""
    if isinstance(error, MeasureError):
        return error.code
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, OSError) and error.errno is not None:
        return _CODES.get(error.errno, "unreachable")
    return "protocol" if isinstance(error, ValueError) else "unreachable"
