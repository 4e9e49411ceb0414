"""What to do about one pair: link + both records + rules → Step. Pure; the whole decision table is here.

=====  ======================================  ===============================================================
row    situation                               step
=====  ======================================  ===============================================================
 1     no record, nothing coupled any more     END (both are gone), IGNORED if nothing was ever remembered
 2     coupled, one side is gone               by policy or decision:
 2a      survivor outside the filter             LEFT_FILTER, unless a person decided
 2b      restore                                 CREATE on the side that is gone (``restores``)
 2c      delete, survivor as last agreed         DELETE the survivor (a person's decision: also if it changed)
 2d      remove coupling                         UNCOUPLE
 2e      ask, or the policy may not              FAIL Missing ``deleted_left`` / ``deleted_right``
 3     one record, never had a counterpart     CREATE on the other side, but IGNORED if
 3a      the mapping does not write there        IGNORED ``direction``
 3b      it is outside the filter                IGNORED ``outside_filter``
 3c      only coupled records synchronize        IGNORED ``only_coupled``, unless a person wants it
 4     both exist, one is outside its filter   LEFT_FILTER, the pair is left as it is
 5     both exist                              field by field (``fields``, ``policies``):
 5a      nothing moved, or moved equally         UNCHANGED
 5b      moved on one side                       WRITE to the other, where mapping and field allow
 5c      moved on both, different fields         WRITE to both sides (joined edits)
 5d      one unit moved on both sides            WRITE the winner's version (decision, owner, policy), else
                                                 FAIL Conflict ``update_conflict``, nothing of the record is
                                                 written
 5e      destination of a one-way field or       WRITE the source's value over it; the edit is named in
 ``overwrites``
         constant moved
 6     a value that is to be written cannot    FAIL Rejected / Blocked; a failed precondition likewise
=====  ======================================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Mapping

from synccore.engine import fields, policies
from synccore.engine.compiled import Compiled, Rules, compile_rules
from synccore.engine.create import new_values
from synccore.engine.images import changed_fields
from synccore.engine.rules import DeletionPolicy, Link, References, Resolution, Step, StepKind
from synccore.failures import Blocked, Conflict, Missing, Rejected
from synccore.shapes import SIDES, Record, Side


def decide(
    link: Link,
    left: Record | None,
    right: Record | None,
    rules: Rules,
    refs: References,
    *,
    in_filter: Mapping[Side, bool] | None = None,
    blocked: Blocked | None = None,
    resolution: Resolution | None = None,
) -> Step:
    """The step for one pair.

    Args:
        link: the memory. A side with an id and no record is confirmed gone; without an id it has no
        counterpart yet. rules: compiled once per job (``compile_rules``); plain rules are compiled and
        remembered. refs: the references of :func:`synccore.engine.images.reference_values`, translated.
        in_filter: per side, if known already; else computed from the rules' filters.
        blocked: a precondition that failed; holds back writes and creates only.
        resolution: what a person decided.

    Failures of the record come back as a FAIL step. Raises only ``Misconfigured`` (rules that do not compile,
    a field that was not read): no further record of the job can do better.
    """
    compiled = compile_rules(rules)
    try:
        if left is not None and right is not None:
            step = _pair(compiled, link, left, right, refs, in_filter, resolution)
        elif left is None and right is None:
            step = _nothing_left(link)
        else:
            survivor = Side.LEFT if left is not None else Side.RIGHT
            record = left or right
            assert record is not None
            inside = (
                in_filter[survivor]
                if in_filter and survivor in in_filter
                else compiled.inside(survivor, record)
            )
            if link.id(survivor.other) is None:
                wanted = resolution is not None and resolution.create
                step = _new(compiled, survivor, record, refs, inside, wanted=wanted)
            else:
                step = _deleted(compiled, link, survivor, record, refs, inside, resolution)
    except (Rejected, Blocked) as failure:
        return Step.fail(failure)
    if blocked is not None and step.kind in (StepKind.WRITE, StepKind.CREATE):
        return Step.fail(blocked)
    return step


def _nothing_left(link: Link) -> Step:
    """Row 1."""
    if link.left_id is None and link.right_id is None:
        return Step(StepKind.IGNORED, why="nothing")
    return Step(StepKind.END, why="both_gone")


def _deleted(
    compiled: Compiled,
    link: Link,
    survivor: Side,
    record: Record,
    refs: References,
    inside: bool,
    resolution: Resolution | None,
) -> Step:
    """Row 2."""
    gone = survivor.other
    if not inside and not (resolution and resolution.deletion):
        return Step(StepKind.LEFT_FILTER, side=survivor, why="outside_filter")
    lost = changed_fields(compiled, survivor, record, link.base(survivor))
    changed = lost is None or bool(lost)
    match policies.deletion(compiled.rules, gone, changed, resolution):
        case DeletionPolicy.RESTORE:
            values = new_values(compiled, survivor, record, refs, base=link.base(gone))
            return Step(StepKind.CREATE, side=gone, writes={gone: values}, why="restore", restores=True)
        case DeletionPolicy.DELETE:
            return Step(
                StepKind.DELETE, side=survivor, overwrites={survivor: lost} if lost else {}, why="delete"
            )
        case DeletionPolicy.UNCOUPLE:
            return Step(StepKind.UNCOUPLE, side=survivor, why="uncouple")
        case _:
            params = {"side": gone.value, "key": record.key, "name": record.name, "changed": changed}
            return Step.fail(Missing(f"deleted_{gone.value}", params))


def _new(
    compiled: Compiled, source: Side, record: Record, refs: References, inside: bool, *, wanted: bool
) -> Step:
    """Row 3."""
    destination = source.other
    if not compiled.rules.direction.allows(destination):
        return Step(StepKind.IGNORED, side=source, why="direction")
    if not inside:
        return Step(StepKind.IGNORED, side=source, why="outside_filter")
    if compiled.rules.only_coupled and not wanted:
        return Step(StepKind.IGNORED, side=source, why="only_coupled")
    values = new_values(compiled, source, record, refs)
    return Step(StepKind.CREATE, side=destination, writes={destination: values}, why="new")


def _pair(
    compiled: Compiled,
    link: Link,
    left: Record,
    right: Record,
    refs: References,
    in_filter: Mapping[Side, bool] | None,
    resolution: Resolution | None,
) -> Step:
    """Rows 4 and 5."""
    records = {Side.LEFT: left, Side.RIGHT: right}
    for side in SIDES:
        inside = in_filter[side] if in_filter and side in in_filter else compiled.inside(side, records[side])
        if not inside:
            return Step(StepKind.LEFT_FILTER, side=side, why="outside_filter")
    states = fields.moved(compiled, link, left, right, refs)
    constants = list(fields.constants(compiled, link, records)) if compiled.constants else []
    if not states and not constants:
        return Step(StepKind.UNCHANGED, why="unchanged")
    plan = policies.plan(compiled, states, left, right, resolution)
    plan.writes.extend(constants)
    if plan.conflicts:
        return Step.fail(Conflict("update_conflict", fields.conflict_params(plan, left, right)))
    writes, overwrites = fields.write(compiled, plan, left, right, refs)
    if not writes:
        return Step(StepKind.UNCHANGED, why="equal")
    why = "settled" if plan.settled else "joined" if len(writes) > 1 else "changed"
    return Step(StepKind.WRITE, writes=writes, overwrites=overwrites, why=why)
