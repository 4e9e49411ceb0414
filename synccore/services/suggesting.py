"""*Suggest field mappings*: fields of both tables that look like one, as the tables were last read. Contacts nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from synccore.models import TableMapping
from synccore.models.scoping import SET_UP
from synccore.shapes import SIDES, FieldInfo, Side

from . import fitting, standard
from .catalogue import Known, known_to
from .conversions import come_back, cuts
from .field_mappings import MOST, Draft, draft_of, row_of, save_fields
from .jobs import NotNow
from .mappings import revision_of
from .pairing import RANKS, Pairing, Why, ways_of
from .rights import require

#: Warnings that say more than "some values may not fit": somebody has to decide something first.
_DOUBTFUL: Final = frozenset(
    {"other_type", "foreign_id", "zone_needed", "only_of_list", "other_list", "number_of_list"}
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Two fields that may be one. ``ways``: the directions that the draft can have; ``is_longer``: one may hold values that
    are too long for the other, and they can be cut."""

    draft: Draft
    why: Why
    ways: tuple[str, ...]
    warnings: tuple[fitting.Warned, ...] = ()
    same_type: bool = True
    is_longer: bool = False

    @property
    def key(self) -> str:
        """What a form calls it."""
        return key_of(self.draft)

    @property
    def is_sure(self) -> bool:
        """Whether it is ticked before anybody has looked."""
        if self.why in (Why.STANDARD, Why.ALIKE):
            return self.why is Why.STANDARD
        return self.same_type and not any(each.code in _DOUBTFUL for each in self.warnings)


def key_of(draft: Draft) -> str:
    return f"{draft.left} = {draft.right}"


@dataclass(slots=True)
class Taken:
    """What a press did: how many fields were mapped, and how many of those chosen are no suggestion any more."""

    added: int = 0
    gone: int = 0
    #: Whether pairs that agreed meet new rules at the next full synchronization.
    anew: bool = False


def suggest(
    mapping: TableMapping,
    known: Known,
    taken: Sequence[Draft],
    ways: Mapping[str, str] | None = None,
    cut: Collection[str] = (),
) -> list[Suggestion]:
    """Every pair of fields that nothing in ``taken`` names yet: those of the standard, then by name, label and likeness.

    ``ways``: by key, the direction that a person wants of it; ``cut``: keys of those whose longer values are to be cut.
    Nothing where the tables of an app were never read. A field is suggested once at most, and not at all where several
    others could be meant.
    """
    tables = {side: known.table(side, getattr(mapping, f"{side.value}_table")) for side in SIDES}
    left, right = tables[Side.LEFT], tables[Side.RIGHT]
    if left is None or right is None:
        return []
    found = list(_of_standard(mapping, taken))
    used = {side: {getattr(each, side.value) for each in (*taken, *found)} for side in SIDES}
    pairing = Pairing(mapping, left, right, used)
    pairs = [(Why.STANDARD, each) for each in found]
    pairs += [(why, each) for why, whole, forms in RANKS for each in pairing.pairs(why, whole, forms)]
    pairs = pairs[: max(MOST - len(taken), 0)]
    return [_suggestion(mapping, known, draft, why, ways or {}, cut) for why, draft in pairs]


@transaction.atomic
def take(
    mapping: TableMapping,
    *,
    user: Any,
    chosen: Collection[str],
    ways: Mapping[str, str] | None = None,
    cut: Collection[str] = (),
) -> Taken:
    """Map the chosen suggestions (their keys), with ``ways`` and ``cut`` as of :func:`suggest`, behind the fields there are.

    What is mapped already is left out, so a second press does nothing. Raises RightMissing; NotNow ``mapping_gone``; Wrong
    as :func:`save_fields` does. Nothing is saved then.
    """
    require(user, SET_UP)
    rows = TableMapping.objects.select_for_update(of=("self",)).select_related(
        "integration__left", "integration__right"
    )
    row = rows.filter(pk=mapping.pk).first()
    if row is None:
        raise NotNow("mapping_gone", mapping=mapping.name)
    drafts = [draft_of(each) for each in row.field_mappings.order_by("position", "pk")]
    wanted = [each for each in suggest(row, known_to(row), drafts, ways, cut) if each.key in chosen]
    result = Taken(added=len(wanted), gone=len(set(chosen)) - len(wanted))
    if not wanted:
        return result
    new = [each.draft for each in wanted]
    _saved, result.anew = save_fields(row, user=user, drafts=[*drafts, *new], revision=revision_of(row))
    return result


def lacking(mapping: TableMapping, known: Known, drafts: Iterable[Draft]) -> list[fitting.Warned]:
    """What new records of either app would lack if exactly these fields were mapped."""
    rows = [row_of(mapping, each) for each in drafts]
    found = (each for side in SIDES for each in fitting.of_side(mapping, rows, side, known))
    return [each for each in found if each.code == "required_unmapped"]


# -- the standard ------------------------------------------------------------------------------------------------------


def _of_standard(mapping: TableMapping, taken: Sequence[Draft]) -> Iterator[Draft]:
    """Fields that the standard set-up maps between these two tables."""
    plan = standard.make_plan(mapping.integration) if standard.slug_of(mapping) else None
    if plan is None:
        return
    here = {side: getattr(mapping, f"{side.value}_table") for side in SIDES}
    there = {each.slug: each.existing for each in plan.mappings}
    pairs = {(each.left, each.right) for each in taken}
    written = {place for each in taken for place in _written(mapping, each)}
    for made in plan.mappings:
        if made.tables != here:
            continue
        for i, draft in enumerate(made.drafts):
            if i in made.references:
                parent = there.get(made.references[i])
                if parent is None:
                    continue
                draft.reference = parent.pk
            places = set(_written(mapping, draft))
            if places and (draft.left, draft.right) not in pairs and not places & written:
                written |= places
                yield draft
        return


def _written(mapping: TableMapping, draft: Draft) -> Iterator[tuple[Side, str]]:
    for side in SIDES:
        if fitting.goes(mapping, row_of(mapping, draft), side):
            yield side, getattr(draft, side.value)


# -- one suggestion ----------------------------------------------------------------------------------------------------


def _suggestion(
    mapping: TableMapping,
    known: Known,
    draft: Draft,
    why: Why,
    wanted: Mapping[str, str],
    cut: Collection[str],
) -> Suggestion:
    ways: tuple[str, ...] = (draft.direction,)
    same_type, is_longer = True, False
    if why is not Why.STANDARD:
        infos = {}
        for side in SIDES:
            table = known.table(side, getattr(mapping, f"{side.value}_table"))
            assert table is not None
            infos[side] = table.fields[getattr(draft, side.value)]
        ways = ways_of(mapping, infos)
        same_type = infos[Side.LEFT].type is infos[Side.RIGHT].type
        if (way := wanted.get(key_of(draft))) in ways:
            draft.direction = way
        is_longer = _cut(mapping, draft, infos, wanted=key_of(draft) in cut)
    warned = fitting.of_field(mapping, row_of(mapping, draft), known)
    return Suggestion(draft, why, ways, tuple(warned), same_type, is_longer)


def _cut(mapping: TableMapping, draft: Draft, infos: Mapping[Side, FieldInfo], *, wanted: bool) -> bool:
    """Whether values may be too long where they go; with ``wanted``, the draft cuts them."""
    to = [side for side in SIDES if fitting.goes(mapping, row_of(mapping, draft), side)]
    steps = {side: cuts(infos[side.other], infos[side]) for side in to}
    if wanted:
        for side, each in steps.items():
            setattr(draft, f"to_{side.value}", each)
        if draft.direction == "both" and any(steps.values()):
            come_back(draft, infos)
    return any(steps.values())
