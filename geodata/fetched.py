"""Files that were got from who publishes them: in which state, and by what they were checked on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-F]{32,64}\Z")]


class Validators(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What tells one state of a file from another (RFC 9110, 8.8)."""

    etag: str | None = None
    modified: str | None = None

    @property
    def strong(self) -> str | None:
        """What If-Range may be given: a strong entity tag, or a date."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


class Fetched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file that a source was made of: where it was published, and in which state.

    ``digest`` is whether it had the digest that is published beside it, ``signed`` whether a signature is
    published beside it, and ``signer`` the fingerprint of the key whose that was found to be.
    """

    url: str
    validators: Validators
    digest: bool = False
    signed: bool = False
    signer: Fingerprint | None = None


def checked(files: Sequence[Fetched]) -> str | None:
    """By what the files of a source were checked; ``None`` where nothing to check them by is published."""
    if not any(each.digest or each.signed for each in files):
        return None
    digest = "digest checked" if all(each.digest for each in files) else "digest not checked"
    signed = sum(each.signed for each in files)
    verified = sum(each.signer is not None for each in files)
    if not signed:
        return digest
    if not verified:
        return f"{digest}, signature not"
    others = len(files) - signed
    rest = f", {others} without one" if others else ""
    return f"{digest}, signature of {verified} of {signed} files verified{rest}"
