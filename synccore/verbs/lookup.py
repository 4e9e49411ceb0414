"""What a page must look up before it can decide: counterparts, references, natural keys, preconditions.

One call per page and side, whatever the number of records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from django.db.models import Q

from synccore.engine.canonical import canon
from synccore.engine.compiled import compile_rules, id_text, step_of
from synccore.engine.filters import matches
from synccore.engine.images import natural_key_value, reference_values
from synccore.engine.rules import BY_NUMBER, Blocker, References
from synccore.failures import Blocked, Failure, Misconfigured, Rejected
from synccore.models import Coupling, FieldMapping, Problem, TableMapping
from synccore.models.build import rules_of
from synccore.shapes import SIDES, Precondition, Record, Side, TableRef, Value

from .candidate import Candidate
from .elsewhere import ours, taken
from .run import Run


def read(run: Run, side: Side, ids: Sequence[str]) -> dict[str, Record]:
    """Records of the mapping's table by id, in batches of the connector's page."""
    found: dict[str, Record] = {}
    unique = list(dict.fromkeys(ids))
    fields, table = run.rules.rules.fields_of(side), run.rules.rules.table(side)
    size = run.connector(side).page_size
    for start in range(0, len(unique), size):
        with run.remote(side) as connector:
            for record in connector.fetch(table, unique[start : start + size], fields):
                found[record.id] = record
    return found


def complete(run: Run, candidates: Iterable[Candidate]) -> None:
    """Read the sides that are known by id but were not read yet; None where the app has no such record."""
    waiting = list(candidates)
    for side in SIDES:
        missing = [(c, id) for c in waiting if side not in c.records and (id := c.id(side)) is not None]
        if missing:
            found = read(run, side, [id for _c, id in missing])
            for candidate, id in missing:
                candidate.records[side] = found.get(id)


def adopt(run: Run, candidates: Sequence[Candidate]) -> None:
    """Before a create: look for the record the natural key names. One that is there and not coupled completes the pair.

    Where the page holds that record as a new one too (a sweep finds both), it is left to the pair: ``untouched``.
    """
    rules = run.rules
    if rules.rules.natural_key is None:
        return
    if rules.rules.only_coupled:
        candidates = [c for c in candidates if c.resolution is not None and c.resolution.create]
    info_of = {each.rule.id: each for each in rules.fields}
    if rules.rules.natural_key not in info_of:
        return
    each = info_of[rules.rules.natural_key]
    claimed: set[tuple[Side, str]] = set()
    elsewhere = taken(run, candidates)
    for side in SIDES:
        name = each.name(side)
        if name is None or not rules.rules.direction.allows(side):
            continue
        wanted: dict[str, list[Candidate]] = defaultdict(list)
        values = {}
        for place, candidate in enumerate(candidates):
            source = candidate.record(side.other)
            if candidate.id(side) is not None or source is None or place in elsewhere:
                continue
            if (side.other, source.id) in claimed:
                candidate.untouched = True
                continue
            try:
                value = natural_key_value(rules, side.other, source, {})
            except Failure:
                continue  # decide meets the same failure and names it
            text = None if value is None else canon(value, each.rule.info(side))
            if text is not None:
                wanted[text].append(candidate)
                values[text] = value
        if wanted:
            claimed |= {(side, id) for id in _match(run, side, name, wanted, list(values.values()))}


def _match(
    run: Run, side: Side, name: str, wanted: dict[str, list[Candidate]], values: list[Value]
) -> list[str]:
    """Gives the ids of the records that completed a pair."""
    matched: list[str] = []
    rules = run.rules.rules
    with run.remote(side) as connector:
        found = connector.find(rules.table(side), name, values, rules.fields_of(side))
    found = ours(run, side, found)
    held = set(
        Coupling.objects.filter(
            Q(removed_at__isnull=False) | Q(ended_at=None),
            mapping_id=rules.id,
            **{f"{side.value}_id__in": [record.id for record in found]},
        ).values_list(f"{side.value}_id", flat=True)
    )
    info = rules.infos(side).get(name)
    is_of = _parents_of(run, side, [each for several in wanted.values() for each in several])
    # Of several free counterparts of one record the first by its id is taken, whatever order the app gave them in.
    for record in sorted(found, key=lambda each: each.id):
        if record.id in held:
            continue
        candidates = wanted.get(canon(record.fields.get(name), info) or "", [])
        candidates = [each for each in candidates if is_of(each, record)]
        # Two records that claim one counterpart: the first in order gets it, the other meets the app's own refusal.
        for candidate in candidates:
            if candidate.id(side) is None:
                candidate.records[side] = record
                candidate.adopted = True
                held.add(record.id)
                matched.append(record.id)
                break
    return matched


def _parents_of(run: Run, side: Side, candidates: Sequence[Candidate]) -> Callable[[Candidate, Record], bool]:
    """Whether a record of ``side`` has the parent that a candidate's new record would get for good (a reference for new
    records only): a unit of another unit group is another unit, whatever its name."""
    fixed = [each for each in run.rules.new_only if each.rule.reference is not None and each.allows(side)]
    if not fixed:
        return lambda candidate, record: True
    refs = references(run, candidates)

    def is_of(candidate: Candidate, record: Record) -> bool:
        source = candidate.record(side.other)
        assert source is not None
        try:
            return all(
                each.flow_text(side, each.value(source, side.other), refs) == each.text(side, record)
                for each in fixed
            )
        except (Blocked, Rejected):
            return False  # decide meets the same failure and names it

    return is_of


def references(run: Run, candidates: Iterable[Candidate]) -> References:
    """Translate every reference these candidates need: one query per target mapping and side."""
    find_empties(run)
    wanted: dict[tuple[int, Side], set[str]] = defaultdict(set)
    refers = any(each.rule.reference is not None for each in run.rules.fields)
    for c in candidates if refers else ():
        for mapping, side, id in reference_values(
            run.rules, c.record(Side.LEFT), c.record(Side.RIGHT), c.link()
        ):
            wanted[(mapping, side)].add(id)
    found: dict[tuple[int, Side, str], str | Blocker] = dict(coupled(wanted))
    for (mapping, side), ids in wanted.items():
        missing = [id for id in ids if (mapping, side, id) not in found]
        if missing:
            found.update(_blockers(run, mapping, side, missing))
    return found


def coupled(wanted: Mapping[tuple[int, Side], Iterable[str]]) -> dict[tuple[int, Side, str], str]:
    """The counterparts that the memory knows: one query per target mapping, side and whether it is named by id or number.
    ``wanted``: (mapping, side) → ids, and numbers behind BY_NUMBER."""
    found = {}
    for (mapping, side), texts in wanted.items():
        numbers = [text.removeprefix(BY_NUMBER) for text in texts if text.startswith(BY_NUMBER)]
        ids = [text for text in texts if not text.startswith(BY_NUMBER)]
        pairs = Coupling.objects.live().paired().filter(mapping_id=mapping).order_by("pk")
        for column, values, mark in (("id", ids, ""), ("key", numbers, BY_NUMBER)):
            if values:
                here = f"{side.value}_{column}"
                hits = pairs.filter(**{f"{here}__in": values}).values_list(here, f"{side.other.value}_id")
                found.update({(mapping, side, mark + value): other for value, other in hits})
    return found


def _blockers(
    run: Run, mapping_id: int, side: Side, texts: list[str]
) -> dict[tuple[int, Side, str], str | Blocker]:
    """Why these records have no counterpart, and whether one will come by itself."""
    mapping = TableMapping.objects.select_related("integration").get(pk=mapping_id)
    known = _numbered(run, mapping, side, [text for text in texts if text.startswith(BY_NUMBER)])
    ids = [known[text].id if text in known else text.removeprefix(BY_NUMBER) for text in texts]
    here = f"{side.value}_id"
    reasons: dict[str, str] = {}
    names: dict[str, str] = {}
    marked = Coupling.objects.filter(mapping=mapping, ended_at=None, **{f"{here}__in": ids}).order_by("pk")
    for coupling in marked:
        id = coupling.of(side, "id")
        names[id] = coupling.title(side)
        if coupling.removed_at is not None:
            reasons.setdefault(id, "removed")
    on_purpose = Problem.objects.filter(state=Problem.State.ON_PURPOSE, coupling__in=[c.pk for c in marked])
    for coupling in Coupling.objects.filter(pk__in=on_purpose.values("coupling")):
        reasons[coupling.of(side, "id")] = "on_purpose"
    general = None
    if mapping.only_coupled:
        general = "only_coupled"
    elif not mapping.enabled:
        general = "disabled"
    try:
        rules = compile_rules(rules_of(mapping))
    except Misconfigured:
        rules = None  # that mapping's own trouble, told there; what waits for it goes on waiting
    if general is None and rules is not None and not rules.rules.direction.allows(side.other):
        general = "direction"
    rest = [id for id in ids if id not in reasons]
    known = {record.id: record for record in known.values()}
    rest = [id for id in rest if id not in known]
    if rest and rules is not None:
        with run.remote(side) as connector:
            known |= {
                r.id: r for r in connector.fetch(rules.rules.table(side), rest, rules.rules.fields_of(side))
            }
    found: dict[tuple[int, Side, str], str | Blocker] = {}
    for text, id in zip(texts, ids, strict=True):
        record = known.get(id)
        reason = reasons.get(id)
        if reason is None and rules is not None:
            if record is None:
                reason = "absent"
            elif not rules.inside(side, record):
                reason = "outside_filter"
        reason = reason or general
        name = names.get(id) or (record.name or record.key if record else "") or id
        found[(mapping_id, side, text)] = Blocker(
            mapping_id, side, id, reason is not None, reason or "not_coupled", mapping.name, name
        )
    return found


def _numbered(run: Run, mapping: TableMapping, side: Side, texts: list[str]) -> dict[str, Record]:
    """The records that these numbers name, by the number behind its mark."""
    table = mapping.table(side)
    if not texts or table.key_field is None:
        return {}
    try:
        fields = compile_rules(rules_of(mapping)).rules.fields_of(side)
    except Misconfigured:
        return {}
    with run.remote(side) as connector:
        found = connector.find(table, table.key_field, [t.removeprefix(BY_NUMBER) for t in texts], fields)
    return {BY_NUMBER + record.key: record for record in found}


def find_empties(run: Run) -> None:
    """The records that empty references stand for (``empty_means``): looked up once, kept with the field mapping."""
    if "empties" in run.known:
        return
    run.known["empties"] = True
    for each in run.rules.fields:
        rule = each.rule
        for side in SIDES:
            step = step_of(rule, side, "empty_means")
            if step is None or rule.empty_id:
                continue
            target = TableMapping.objects.get(pk=rule.reference or 0)
            name, value = str(step.params["field"]), str(step.params["value"])
            with run.remote(side) as connector:
                found = connector.find(target.table(side), name, [value], (name,))
            if len(found) == 1:
                FieldMapping.objects.filter(pk=rule.id).update(empty_id=found[0].id)
                run.forget_rules()


def preconditions(run: Run, candidates: Sequence[Candidate]) -> dict[int, Blocked]:
    """The first failed precondition of each candidate (by its place in the list). One look-up per precondition and page."""
    failed: dict[int, Blocked] = {}
    for each in run.rules.rules.preconditions:
        texts: dict[int, str] = {}
        for place, candidate in enumerate(candidates):
            record = candidate.record(each.record_side)
            if record is None or place in failed:
                continue
            text = _text(run, each, record)
            if text is not None and text not in each.exempt:
                texts[place] = text
        if not texts:
            continue
        present = _present(run, each, set(texts.values()))
        for place, text in texts.items():
            if text not in present:
                failed[place] = Blocked(
                    "precondition_missing",
                    {"what": each.what, "value": text, "side": each.side.value, "table": each.table},
                )
    return failed


def _text(run: Run, each: Precondition, record: Record) -> str | None:
    try:
        text = canon(record.fields.get(each.field), run.rules.rules.infos(each.record_side).get(each.field))
    except Rejected:
        return None
    return id_text(text)  # the plain text that people write in the set-up of a precondition


def _present(run: Run, each: Precondition, values: set[str]) -> set[str]:
    """Which of the values the app knows, within the precondition's filter."""
    names = tuple(dict.fromkeys((each.lookup_field, *(condition.field for condition in each.filter))))
    with run.remote(each.side) as connector:
        found = connector.find(TableRef(each.table), each.lookup_field, sorted(values), names)
    try:
        return {
            str(record.fields.get(each.lookup_field))
            for record in found
            if not each.filter or matches(each.filter, record.fields, {})
        }
    except Misconfigured as failure:
        failure.params.setdefault("table", each.table)
        raise
