"""Drift: what is different between two runs of the same endpoints, and why.

A verdict follows from what was measured and from what sources claim. Which of them changed it is found out by
judging what was measured in one run with the claims of the other. Where the same rules and files give both
runs one verdict, neither did: the rules, the policy, the register or the vantages are not what they were.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from probes.observation import TlsObservation

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
    "certificate",  # its key is another
    "dependency",  # a host that it depends on is new, lost or elsewhere
]
Cause = Literal["world", "data", "world and data", "judgement"]
Side = Literal["old", "new"]
_UNMEASURED: Final = "unmeasured"
# Verdicts by endpoint, by whose observations and whose claims they follow from.
Judged: TypeAlias = "Mapping[tuple[Side, Side], Mapping[str, EndpointVerdict]]"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference of an endpoint: what it was and what it is, in words of the run.

    ``address`` is the one that differs, where it is not the endpoint as a whole. ``cause`` is there for
    changes of the verdict, where it could be found out.
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
    keys = {"old": _keys(old), "new": _keys(new)}
    relations = _relations(old) & _relations(new)
    changes: list[Change] = []
    for id_, result in after.items():
        if id_ not in before:
            changes.append(Change(endpoint=id_, kind="endpoint-new", after=_place(result.verdict)))
            continue
        changes += _of_endpoint(before[id_], result, judged)
        changes += _of_addresses(before[id_], result)
        changes += _of_origins(old, new, result)
        changes += _of_dependencies(before[id_], result, relations)
        changes += _of_keys(id_, keys["old"].get(id_, {}), keys["new"].get(id_, {}))
    changes += [
        Change(endpoint=id_, kind="endpoint-lost", before=_place(result.verdict))
        for id_, result in before.items()
        if id_ not in after
    ]
    return tuple(changes)


def _of_endpoint(
    old: EndpointResult,
    new: EndpointResult,
    judged: Judged | None,
) -> Iterator[Change]:
    was, is_ = old.verdict, new.verdict
    if was.location != is_.location:
        kind: Kind = "moved"
    elif was.assurance != is_.assurance:
        kind = "assurance"
    else:
        kind = "status"
    if kind != "status":
        yield Change(
            endpoint=new.endpoint,
            kind=kind,
            before=_place(was),
            after=_place(is_),
            cause=None if judged is None else _cause(new.endpoint, judged),
        )
    if was.path != is_.path:
        yield Change(endpoint=new.endpoint, kind="path", before=was.path, after=is_.path)
    if old.status != new.status:
        yield Change(endpoint=new.endpoint, kind="status", before=old.status, after=new.status)


def _cause(endpoint: str, judged: Judged) -> Cause | None:
    """Why a verdict is another, by what each half of the evidence alone would change."""
    found = {sides: verdicts.get(endpoint) for sides, verdicts in judged.items()}
    places = {sides: None if one is None else (one.location, one.assurance) for sides, one in found.items()}
    old, new = places["old", "old"], places["new", "new"]
    if old == new:
        return "judgement"
    measured, said = places["new", "old"], places["old", "new"]
    if measured == new and said == old:
        return "world"
    if said == new and measured == old:
        return "data"
    return "world and data"


def _of_addresses(old: EndpointResult, new: EndpointResult) -> Iterator[Change]:
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
    old: EndpointResult, new: EndpointResult, relations: Collection[Relation]
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
            )


def _hosts(result: EndpointResult, relations: Collection[Relation]) -> Mapping[str, str]:
    """The place of each host that an endpoint depends on, by its relation and name."""
    return {
        f"{one.relation} {one.host}": _place(one)
        for one in result.verdict.dependencies
        if one.relation in relations
    }


def _relations(run: Run) -> frozenset[Relation]:
    """What a run looked for; an older one, or one that read no page, knows of no such hosts."""
    return frozenset(one.relation for each in run.endpoints for one in each.verdict.dependencies)


def _of_keys(
    endpoint: str, old: Mapping[str, frozenset[str]], new: Mapping[str, frozenset[str]]
) -> Iterator[Change]:
    """Addresses at which no key of before was seen again; others are there that know some of them."""
    for address in sorted(old.keys() & new.keys()):
        if not old[address] & new[address]:
            yield Change(
                endpoint=endpoint,
                kind="certificate",
                address=address,
                before=", ".join(sorted(old[address])),
                after=", ".join(sorted(new[address])),
            )


def _keys(run: Run) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The digests of keys that were seen, by endpoint and address."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in run.observations:
        if isinstance(one, TlsObservation) and one.result and one.result.key_sha256 and one.address:
            found[one.endpoint][one.address].add(one.result.key_sha256)
    return {
        endpoint: {address: frozenset(keys) for address, keys in each.items()}
        for endpoint, each in found.items()
    }


def _place(verdict: EndpointVerdict | AddressVerdict | Dependency) -> str:
    return verdict.location if verdict.assurance is None else f"{verdict.location} ({verdict.assurance})"


def judged_by_turns(judge: Callable[[Run, Run], Iterable[EndpointResult]], old: Run, new: Run) -> Judged:
    """The verdicts that :func:`drift` needs; ``judge`` is given whose observations and whose claims."""
    runs: Mapping[Side, Run] = {"old": old, "new": new}
    return {
        (measured, said): {one.endpoint: one.verdict for one in judge(runs[measured], runs[said])}
        for measured in runs
        for said in runs
    }
