"""The standard set-up fitted to two apps, as their tables were last read: what is made, what cannot be, and why.

Pure but for reading rows: nothing is stored, no app is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from synccore.engine.serial import dump_info
from synccore.models import FieldMapping, Integration, TableMapping
from synccore.shapes import SIDES, FieldInfo, FieldType, Operator, Side, TableInfo

from .. import fitting
from ..catalogue import Known, known_of
from ..conversions import come_back, cuts, is_less
from ..field_mappings import Draft
from ..mapping_parts import TemplateDraft
from .business_central_dataverse import STANDARD
from .shape import BOTH, ConditionSpec, FieldSpec, MappingSpec, Standard, To, step

STANDARDS: Final = (STANDARD,)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something of the standard that these two apps do not take. ``code``: no_table, no_field, read_only, no_reference,
    no_condition, no_template, no_currency; ``params``: names of the side, table, field, other field, mapping."""

    code: str
    params: dict[str, Any]


@dataclass(slots=True)
class MappingPlan:
    """One mapping of the standard, fitted. ``existing``: the mapping that has these two tables already.

    ``blocked``: why it cannot be made at all. ``references``: place of a draft → the mapping it refers to.
    """

    spec: MappingSpec
    name: str
    tables: dict[Side, str]
    direction: str
    existing: TableMapping | None = None
    blocked: Skipped | None = None
    drafts: list[Draft] = field(default_factory=list)
    references: dict[int, str] = field(default_factory=dict)
    natural: int | None = None
    columns: dict[str, str] = field(default_factory=dict)
    filters: dict[Side, list[dict[str, Any]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    templates: list[TemplateDraft] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[fitting.Warned] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return self.spec.slug


@dataclass(slots=True)
class Plan:
    """Everything of the standard for one integration. ``currency``: the base currency it was made for, "" unknown."""

    integration: Integration
    standard: Standard
    known: Known
    currency: str
    mappings: list[MappingPlan]

    @property
    def is_read(self) -> bool:
        return self.known.complete


def standard_of(integration: Integration) -> tuple[Standard, Side] | None:
    """The standard for this pair of apps, and on which side its first kind stands; None where there is none."""
    kinds = (integration.left.kind, integration.right.kind)
    for each in STANDARDS:
        if kinds == (each.a, each.b):
            return each, Side.LEFT
        if kinds == (each.b, each.a):
            return each, Side.RIGHT
    return None


def slug_of(mapping: TableMapping) -> str:
    """Which mapping of the standard has these two tables; "" where none has. Asks nothing where both apps are loaded."""
    found = standard_of(mapping.integration)
    if found is None:
        return ""
    standard, a_side = found
    here = (getattr(mapping, f"{a_side.value}_table"), getattr(mapping, f"{a_side.other.value}_table"))
    return next((spec.slug for spec in standard.mappings if (spec.a, spec.b) == here), "")


def base_currency(integration: Integration) -> str:
    """The code of the base currency as people said it, or an app told; "" where nobody did."""
    for app in (integration.left, integration.right):
        for said in (app.currencies, app.told_currencies):
            if isinstance(said, Mapping) and said.get("base"):
                return str(said["base"])
    return ""


def make_plan(
    integration: Integration, *, currency: str | None = None, chosen: Collection[str] | None = None
) -> Plan | None:
    """The standard for this pair as it would be made now; None where there is none for their kinds.

    ``currency``: the base currency (None: as known); ``chosen``: slugs of the mappings that are wanted (None: all). At most
    five queries.
    """
    found = standard_of(integration)
    if found is None:
        return None
    standard, a_side = found
    wanted = {side: {spec.a if side is a_side else spec.b for spec in standard.mappings} for side in SIDES}
    known = known_of(integration, wanted)
    rows = TableMapping.objects.filter(integration=integration).order_by("pk")
    by_tables: dict[tuple[str, str], TableMapping] = {}
    for row in rows:
        row.integration = integration
        by_tables.setdefault((row.left_table, row.right_table), row)
    plan = Plan(
        integration, standard, known, base_currency(integration) if currency is None else currency, []
    )
    maker = _Maker(plan, a_side, by_tables, {row.name for row in rows}, chosen)
    plan.mappings = [maker.mapping(spec) for spec in standard.mappings]
    return plan


class _Maker:
    def __init__(
        self,
        plan: Plan,
        a_side: Side,
        by_tables: Mapping[tuple[str, str], TableMapping],
        names: set[str],
        chosen: Collection[str] | None,
    ) -> None:
        self.plan, self.a, self.b, self.by_tables, self.names = plan, a_side, a_side.other, by_tables, names
        self.chosen = chosen
        #: Mappings that can be referred to: those before this one that are there, or will be.
        self.made: set[str] = set()

    def mapping(self, spec: MappingSpec) -> MappingPlan:
        tables = {self.a: spec.a, self.b: spec.b}
        existing = self.by_tables.get((tables[Side.LEFT], tables[Side.RIGHT]))
        name = existing.name if existing else self._free_name(str(spec.name))
        made = MappingPlan(spec, name, tables, self._way(spec.to), existing)
        infos = {side: self.plan.known.table(side, tables[side]) for side in SIDES}
        for side in SIDES:
            if infos[side] is None:
                made.blocked = Skipped("no_table", {"side": side.value, "table": tables[side]})
        if made.blocked is None:
            self._fill(made, {side: info for side, info in infos.items() if info is not None})
        wanted = self.chosen is None or spec.slug in self.chosen
        if existing is not None or (made.blocked is None and wanted):
            self.made.add(spec.slug)
        return made

    def _free_name(self, name: str) -> str:
        found = next(
            each for each in (name, *(f"{name} {n}" for n in range(2, 1000))) if each not in self.names
        )
        self.names.add(found)
        return found

    def _way(self, to: To) -> str:
        return "both" if to == BOTH else f"to_{(self.a if to == 'a' else self.b).value}"

    def _fill(self, made: MappingPlan, tables: Mapping[Side, TableInfo]) -> None:
        spec = made.spec
        for side, conditions in ((self.a, spec.a_filter), (self.b, spec.b_filter)):
            made.filters[side] = list(self._conditions(made, side, tables[side], conditions))
        if made.blocked is not None:
            return
        for side, at in ((self.a, "a"), (self.b, "b")):
            named = {"key": f"{at}_key", "name": f"{at}_name", "owner": f"{at}_owner"}
            for column, attribute in named.items():
                name = getattr(spec, attribute)
                if name and name in tables[side].fields:
                    made.columns[f"{side.value}_{column}_field"] = name
        for each in spec.fields:
            draft = self._field(made, each, tables)
            if draft is None:
                continue
            if each.reference:
                made.references[len(made.drafts)] = each.reference
            if each.a == spec.natural_key and made.natural is None:
                made.natural = len(made.drafts)
            made.drafts.append(draft)
        values = [(name, value) for name, value in spec.templates if self._takes(made, tables[self.b], name)]
        if values:
            made.templates = [TemplateDraft(priority="1", side=self.b.value, values=values)]
        made.warnings = self._warnings(made)

    def _takes(self, made: MappingPlan, table: TableInfo, name: str) -> bool:
        info = table.fields.get(name)
        if info is None or info.read_only:
            params = {"side": self.b.value, "table": table.name, "field": name}
            made.skipped.append(Skipped("no_template", params))
            return False
        return True

    def _conditions(
        self, made: MappingPlan, side: Side, table: TableInfo, conditions: tuple[ConditionSpec, ...]
    ) -> Iterator[dict[str, Any]]:
        for each in conditions:
            if each.field not in table.fields:
                params = {"side": side.value, "table": table.name, "field": each.field}
                if each.essential:
                    made.blocked = Skipped("no_kind", params)
                else:
                    made.skipped.append(Skipped("no_condition", params))
                continue
            condition = {"field": each.field, "operator": each.operator.value}
            if each.operator not in (Operator.EMPTY, Operator.NOT_EMPTY):
                condition["value"] = each.value or ""
            yield condition

    # -- one field -----------------------------------------------------------------------------------------------------

    def _field(self, made: MappingPlan, spec: FieldSpec, tables: Mapping[Side, TableInfo]) -> Draft | None:
        """The field mapping, or None where these tables do not have it: ``made.skipped`` says why."""
        names = {self.a: spec.a, self.b: spec.b}
        infos: dict[Side, FieldInfo] = {}
        for side in SIDES:
            if not names[side]:
                continue
            info = tables[side].fields.get(names[side])
            if info is None:
                self._skip(made, "no_field", side, tables[side], spec)
                return None
            infos[side] = info
        ways = {side for side in SIDES if self._way(spec.to) in ("both", f"to_{side.value}")}
        for side in sorted(ways):
            if infos[side].read_only:
                ways.discard(side)
                self._skip(made, "read_only", side, tables[side], spec)
        if not ways:
            return None
        if spec.reference and spec.reference not in self.made:
            self._skip(made, "no_reference", self.a, tables[self.a], spec)
            return None
        draft = Draft(
            left=names[Side.LEFT],
            right=names[Side.RIGHT],
            direction="both" if len(ways) == 2 else f"to_{next(iter(ways)).value}",
            group=spec.group,
            optional=spec.optional,
            only_new=spec.only_new,
            personal=spec.personal,
        )
        if spec.constant is not None:
            draft.has_constant, draft.constant = True, spec.constant
            return draft
        for side in ways:
            setattr(draft, f"to_{side.value}", self._steps(spec, side, infos))
        if len(ways) == 2 and not spec.reference:
            come_back(draft, infos)
        if spec.local_currency:
            self._stand_for_base(made, draft, spec)
        return draft

    def _skip(self, made: MappingPlan, code: str, side: Side, table: TableInfo, spec: FieldSpec) -> None:
        here, there = (spec.a, spec.b) if side is self.a else (spec.b, spec.a)
        params = {"side": side.value, "table": table.name, "field": here, "other": there}
        if spec.reference:
            names = {each.slug: str(each.name) for each in self.plan.standard.mappings}
            params["mapping_name"] = names.get(spec.reference, spec.reference)
        made.skipped.append(Skipped(code, params))

    def _steps(self, spec: FieldSpec, to: Side, infos: Mapping[Side, FieldInfo]) -> list[dict[str, Any]]:
        """The conversions on the way to a side: those of the standard, then what its length or digits need."""
        steps = [dict(each) for each in (spec.to_a if to is self.a else spec.to_b)]
        source, destination = infos[to.other], infos[to]
        if spec.cuts:
            steps += cuts(source, destination)
        if spec.rounds and destination.type is FieldType.DECIMAL and is_less(destination.scale, source.scale):
            steps.append(step("round", scale=destination.scale))
        return steps

    def _stand_for_base(self, made: MappingPlan, draft: Draft, spec: FieldSpec) -> None:
        if not self.plan.currency:
            params = {"side": self.a.value, "table": made.tables[self.a], "field": spec.a, "other": spec.b}
            made.skipped.append(Skipped("no_currency", params))
            return
        steps = getattr(draft, f"to_{self.b.value}")
        steps.append(step("empty_means", field=spec.local_currency, value=self.plan.currency))

    # -- warnings ------------------------------------------------------------------------------------------------------

    def _warnings(self, made: MappingPlan) -> list[fitting.Warned]:
        """What a page of the mapping would say once it was made."""
        known = self.plan.known
        mapping = TableMapping(
            integration=self.plan.integration,
            name=made.name,
            direction=made.direction,
            left_table=made.tables[Side.LEFT],
            right_table=made.tables[Side.RIGHT],
            templates=[
                {"priority": 1, "side": each.side, "values": dict(each.values), "when": []}
                for each in made.templates
            ],
        )
        for side in SIDES:
            table = known.table(side, made.tables[side])
            assert table is not None
            setattr(mapping, f"{side.value}_modified_field", table.modified_field or "")
            setattr(mapping, f"{side.value}_id_field", table.id_field or "")
            setattr(mapping, f"{side.value}_key_kind", table.key_kind.value)
        rows = []
        for i, draft in enumerate(made.drafts):
            row = FieldMapping(
                pk=i + 1, mapping=mapping, left_field=draft.left, right_field=draft.right, direction=draft.direction,
                to_right=draft.to_right, to_left=draft.to_left, has_constant=draft.has_constant,
                reference_id=1 if i in made.references else None,
            )  # fmt: skip
            for side in SIDES:
                table = known.table(side, made.tables[side])
                info = table.fields.get(getattr(draft, side.value)) if table else None
                setattr(row, f"{side.value}_info", dump_info(info) if info else None)
            rows.append(row)
        mapping.natural_key = None if made.natural is None else made.natural + 1
        return fitting.warnings(mapping, rows, known)
