"""The standard set-up in words: what is made of each mapping, what is left out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.forms import conversions
from synccore.services.field_mappings import Draft
from synccore.services.standard import MappingPlan, Plan, Skipped
from synccore.shapes import SIDES, Side
from synccore.tables import State

from .fitting_words import warning_words
from .mapping_words import SIGNS, filter_words


def skipped_words(skipped: Skipped, apps: Mapping[str, str]) -> str:
    """Why something of the standard is not made."""
    side = Side(skipped.params["side"])
    values = {"other": "", "mapping_name": "", **skipped.params}
    values |= {"app": apps[side.value], "other_app": apps[side.other.value]}
    texts = {
        "no_table": _("%(app)s had no table %(table)s when its tables were last read."),
        "no_kind": _(
            "%(table)s of %(app)s has no field %(field)s, by which its records would be told apart."
        ),
        "no_field": _("%(field)s is not in %(table)s of %(app)s; %(other)s of %(other_app)s is not mapped."),
        "read_only": _("%(field)s of %(table)s may not be written in %(app)s: nothing flows into it."),
        "no_reference": _("%(field)s names a record of %(mapping_name)s, which is not made."),
        "no_condition": _("%(field)s is not in %(table)s of %(app)s: the filter has no condition on it."),
        "no_template": _("%(field)s is not in %(table)s of %(app)s: new records get no value for it."),
        "no_currency": _(
            "No base currency is named: where %(field)s is empty in %(app)s, %(other)s of %(other_app)s is not set, and "
            "records of %(other_app)s in the base currency wait."
        ),
    }
    if skipped.code == "no_field" and not skipped.params.get("other"):
        return _("%(field)s is not in %(table)s of %(app)s.") % values
    return texts[skipped.code] % values


def step_words(step: Mapping[str, Any]) -> str:
    """One conversion, short."""
    params = step["params"]
    texts = {
        "cut": _("cut to %(length)s"),
        "round": _("rounded to %(scale)s decimals"),
        "upper": _("in capitals"),
        "map": _("values by a list"),
        "default": _("%(value)s when empty"),
        "by_number": _("by its number"),
        "empty_means": _("empty stands for %(field)s = %(value)s"),
    }
    name = step["name"]
    return texts[name] % params if name in texts else conversions.caption(name)


@dataclass(frozen=True)
class PlannedField:
    """One field mapping as it would be made."""

    left: str
    right: str
    sign: str
    notes: list[str]


def draft_notes(draft: Draft, direction: str, apps: Mapping[str, str], reference: str = "") -> list[str]:
    """What is special about a field mapping as it would be made. ``direction``: that of the mapping."""
    notes = []
    if reference:
        notes.append(_("refers to %(mapping)s") % {"mapping": reference})
    for side in SIDES:
        steps = getattr(draft, f"to_{side.value}")
        if not steps or direction not in ("both", f"to_{side.value}"):
            continue
        said = {"steps": ", ".join(step_words(each) for each in steps), "app": apps[side.value]}
        notes.append(_("%(steps)s on the way to %(app)s") % said)
    if draft.optional:
        notes.append(_("optional"))
    if draft.only_new:
        notes.append(_("for new records only"))
    if draft.group:
        notes.append(_("group %(group)s") % {"group": draft.group})
    return notes


def _field(plan: MappingPlan, draft: Draft, reference: str, apps: Mapping[str, str]) -> PlannedField:
    notes = draft_notes(draft, plan.direction, apps, reference)
    constant = _("constant %(value)s") % {"value": draft.constant} if draft.has_constant else ""
    way = draft.direction if plan.direction == "both" else plan.direction
    return PlannedField(draft.left or constant, draft.right or constant, SIGNS.get(way, ""), notes)


class StandardRow:
    """One mapping of the standard on the page."""

    def __init__(
        self, plan: Plan, made: MappingPlan, names: Mapping[str, str], apps: Mapping[str, str]
    ) -> None:
        self.slug, self.name, self.existing = made.slug, made.name, made.existing
        self.left, self.right = made.tables[Side.LEFT], made.tables[Side.RIGHT]
        self.sign = SIGNS.get(made.direction, "")
        self.blocked = skipped_words(made.blocked, apps) if made.blocked else ""
        of_kinds = dict(
            zip((plan.integration.left.kind, plan.integration.right.kind), apps.values(), strict=True)
        )
        kinds = {"a": of_kinds[plan.standard.a], "b": of_kinds[plan.standard.b]}
        self.notes = [_filled(str(note), kinds) for note in made.spec.notes]
        self.fields = [
            _field(made, draft, names.get(made.references.get(i, ""), ""), apps)
            for i, draft in enumerate(made.drafts)
        ]
        self.filters = [(apps[side.value], filter_words(made.filters[side])) for side in SIDES]
        self.templates = [f"{name} = {value}" for each in made.templates for name, value in each.values]
        self.skipped = [skipped_words(each, apps) for each in made.skipped]
        self.warnings = [
            sentence for _title, sentence in (warning_words(each, apps) for each in made.warnings)
        ]

    @property
    def is_makeable(self) -> bool:
        return not self.blocked and self.existing is None

    @property
    def state(self) -> State:
        if self.existing is not None:
            return State(_("There already"), "check", "good")
        if self.blocked:
            return State(_("Cannot be made"), "stop", "person")
        return State(_("Will be made"), "sync", "running")

    @property
    def summary(self) -> str:
        n = len(self.fields)
        parts = [ngettext("%(n)s field", "%(n)s fields", n) % {"n": n}]
        if self.skipped:
            n = len(self.skipped)
            parts.append(ngettext("%(n)s thing left out", "%(n)s things left out", n) % {"n": n})
        if self.warnings:
            n = len(self.warnings)
            parts.append(ngettext("%(n)s warning", "%(n)s warnings", n) % {"n": n})
        return ", ".join(parts)


def _filled(text: str, kinds: Mapping[str, str]) -> str:
    """A note with the apps' names; an app's name is data and is not read for braces."""
    for name, app in kinds.items():
        text = text.replace("{" + name + "}", app)
    return text


def rows_of(plan: Plan, apps: Mapping[str, str]) -> list[StandardRow]:
    names = {each.slug: each.name for each in plan.mappings}
    return [StandardRow(plan, each, names, apps) for each in plan.mappings]
