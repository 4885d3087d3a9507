"""Drift: what is different between two runs of the same endpoints, and why.

A verdict follows from what was measured and from what sources claim, and the policy's status from a verdict.
Which of them changed it is found out by judging what was measured in one run with the claims of the other, by
one set of rules and files and as of one day. Where these judge both runs alike, neither did: the rules, the
policy, the register or the vantages are not what they were, or a waiver or an accreditation has ended.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from scanner.run import EndpointResult, Run
    from scanner.verdict import AddressVerdict, Dependency, EndpointVerdict, Relation

Kind = Literal[
    "endpoint-new",
    "endpoint-lost",
    "address-new",
    "address-lost",
    "moved",  # its location is another
    "assurance",  # the location is the same, and how sure that is, is not
    "path",
    "status",  # the policy's
    "origin",  # another network announces it
    "certificate",  # its key is another, by whom it was shown to where it is not by all
    "dependency",  # a host that it depends on is new, lost or elsewhere
]
Cause = Literal["world", "data", "world and data", "judgement"]
Side = Literal["old", "new"]
_UNMEASURED: Final = "unmeasured"
# What became of each endpoint, by whose observations and whose claims it follows from.
Judged: TypeAlias = "Mapping[tuple[Side, Side], Mapping[str, EndpointResult]]"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference of an endpoint: what it was and what it is, in words of the run.

    ``address`` is the one that differs, where it is not the endpoint as a whole. ``cause`` is there for what
    is judged (``moved``, ``assurance``, ``path``, ``status``, ``dependency``), where it could be found out.
    """

    endpoint: str
    kind: Kind
    before: str | None = None
    after: str | None = None
    address: str | None = None
    cause: Cause | None = None


def drift(old: Run, new: Run, judged: Judged | None = None) -> tuple[Change, ...]:
    """Every change from one run to another, in the order of the new run's endpoints.

    Without ``judged`` no cause is given.
    """
    before = {one.endpoint: one for one in old.endpoints}
    after = {one.endpoint: one for one in new.endpoints}
    relations = _relations(old) & _relations(new)
    changes: list[Change] = []
    for id_, result in after.items():
        if id_ not in before:
            changes.append(Change(endpoint=id_, kind="endpoint-new", after=_place(result.verdict)))
            continue
        changes += _of_endpoint(before[id_], result, judged)
        changes += _of_addresses(before[id_], result, judged)
        changes += _of_origins(old, new, result)
        changes += _of_dependencies(before[id_], result, relations, judged)
        changes += _of_keys(before[id_], result)
    changes += [
        Change(endpoint=id_, kind="endpoint-lost", before=_place(result.verdict))
        for id_, result in before.items()
        if id_ not in after
    ]
    return tuple(changes)


def _of_endpoint(old: EndpointResult, new: EndpointResult, judged: Judged | None) -> Iterator[Change]:
    aspects: tuple[tuple[Kind, Callable[[EndpointResult], str]], ...] = (
        ("moved" if old.verdict.location != new.verdict.location else "assurance", _place_of),
        ("path", lambda one: one.verdict.path),
        ("status", lambda one: one.status),
    )
    for kind, of in aspects:
        if of(old) != of(new):
            yield Change(
                endpoint=new.endpoint,
                kind=kind,
                before=of(old),
                after=of(new),
                cause=_cause(new.endpoint, judged, of),
            )


def _cause(endpoint: str, judged: Judged | None, of: Callable[[EndpointResult], str | None]) -> Cause | None:
    """Why something ``of`` an endpoint is another, by what each half of the evidence alone would change.

    None where it was not judged again, as it is in no register of now.
    """
    if judged is None or not all(endpoint in results for results in judged.values()):
        return None
    found = {sides: of(results[endpoint]) for sides, results in judged.items()}
    old, new = found["old", "old"], found["new", "new"]
    if old == new:
        return "judgement"
    measured, said = found["new", "old"], found["old", "new"]
    if measured == new and said == old:
        return "world"
    if said == new and measured == old:
        return "data"
    return "world and data"


def _of_addresses(old: EndpointResult, new: EndpointResult, judged: Judged | None) -> Iterator[Change]:
    """What became of each address; a name that nobody asked for has not lost those that it had."""
    if any(not one.verdict.addresses and one.verdict.rule == _UNMEASURED for one in (old, new)):
        return
    was = {one.address: one for one in old.verdict.addresses}
    is_ = {one.address: one for one in new.verdict.addresses}
    for address, one in is_.items():
        if address not in was:
            yield Change(endpoint=new.endpoint, kind="address-new", address=address, after=_place(one))
        elif was[address].location != one.location and len(is_) > 1:
            yield Change(
                endpoint=new.endpoint,
                kind="moved",
                address=address,
                before=_place(was[address]),
                after=_place(one),
                cause=_cause(new.endpoint, judged, partial(_place_at, address)),
            )
    for address, one in was.items():
        if address not in is_:
            yield Change(endpoint=new.endpoint, kind="address-lost", address=address, before=_place(one))


def _of_origins(old: Run, new: Run, result: EndpointResult) -> Iterator[Change]:
    for one in result.verdict.addresses:
        was, is_ = _origins(old, one.address), _origins(new, one.address)
        if was and is_ and was != is_:
            yield Change(endpoint=result.endpoint, kind="origin", address=one.address, before=was, after=is_)


def _origins(run: Run, address: str) -> str:
    numbers = {one.asn for one in run.claims.get(address, ()) if one.meaning == "origin" and one.asn}
    return ", ".join(f"AS{number}" for number in sorted(numbers))


def _of_dependencies(
    old: EndpointResult, new: EndpointResult, relations: Collection[Relation], judged: Judged | None
) -> Iterator[Change]:
    was, is_ = _hosts(old, relations), _hosts(new, relations)
    for named in dict.fromkeys([*was, *is_]):
        before, after = was.get(named), is_.get(named)
        if before != after:
            yield Change(
                endpoint=new.endpoint,
                kind="dependency",
                before=None if before is None else f"{named}: {before}",
                after=None if after is None else f"{named}: {after}",
                cause=_cause(new.endpoint, judged, partial(_host, named, relations)),
            )


def _hosts(result: EndpointResult, relations: Collection[Relation]) -> Mapping[str, str]:
    """The place of each host that an endpoint depends on, by its relation and name."""
    return {
        f"{one.relation} {one.host}": _place(one)
        for one in result.verdict.dependencies
        if one.relation in relations
    }


def _host(named: str, relations: Collection[Relation], result: EndpointResult) -> str | None:
    return _hosts(result, relations).get(named)


def _relations(run: Run) -> frozenset[Relation]:
    """What a run looked for; an older one, or one that read no page, knows of no such hosts."""
    return frozenset(one.relation for each in run.endpoints for one in each.verdict.dependencies)


def _of_keys(old: EndpointResult, new: EndpointResult) -> Iterator[Change]:
    """Addresses that show a vantage only keys that they showed nobody before.

    Of machines with keys of their own behind one address, a vantage meets another each time, and one that did
    not look before may meet others than those that did: neither is a change, while any of these looks.
    """
    shown = {one.address: one.keys for one in old.verdict.addresses}
    for one in new.verdict.addresses:
        known = shown.get(one.address, {})
        before, now = _vantages(known), _vantages(one.keys)
        looked = before & now or now
        met = looked - _vantages({key: names for key, names in one.keys.items() if key in known})
        if before and met:
            keys = ", ".join(sorted(key for key, names in one.keys.items() if met.intersection(names)))
            yield Change(
                endpoint=new.endpoint,
                kind="certificate",
                address=one.address,
                before=", ".join(sorted(known)),
                after=keys if met == now else f"{keys} (shown to {', '.join(sorted(met))})",
            )


def _vantages(keys: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset(name for names in keys.values() for name in names)


def _place_of(result: EndpointResult) -> str:
    return _place(result.verdict)


def _place_at(address: str, result: EndpointResult) -> str | None:
    return next((_place(one) for one in result.verdict.addresses if one.address == address), None)


def _place(verdict: EndpointVerdict | AddressVerdict | Dependency) -> str:
    return verdict.location if verdict.assurance is None else f"{verdict.location} ({verdict.assurance})"


def judged_by_turns(judge: Callable[[Run, Run], Iterable[EndpointResult]], old: Run, new: Run) -> Judged:
    """What :func:`drift` needs to know causes; ``judge`` is given whose observations and whose claims."""
    runs: Mapping[Side, Run] = {"old": old, "new": new}
    return {
        (measured, said): {one.endpoint: one for one in judge(runs[measured], runs[said])}
        for measured in runs
        for said in runs
    }
