"""What a guide offers, as something to press: actions on the record as it is now, and pages and checks of the set-up.

The guide names them; what this person may not do, or what makes no sense any more, is not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from synccore import actions, roles
from synccore.actions import ON_RECORDS, SET_UP_COUPLING, couplings_of
from synccore.models import Connection, Coupling, DeletedEntry, Problem, SynchJobError, TableMapping
from synccore.shapes import Side
from synccore.tables import record_url
from ui.actions import Action, permitted


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to press (``name``: an action of the list), to follow (``url``), or to send (``url`` and ``posts``).

    ``advised``: the guide names it; else it is what can be done with the record besides.
    """

    label: str
    icon: str
    name: str = ""
    url: str = ""
    posts: bool = False
    shortcut: str = ""
    asks: bool = False
    danger: bool = False
    advised: bool = False


@dataclass(frozen=True)
class About:
    """What is offered something about, as it is now; None where a failure names no such thing.

    ``side``: the side the failure is about. ``job``, ``entry``: ids of the last job that met it, and of its last entry.
    ``problem``: id of the mapping's or app's problem. ``waits_for``: mapping, side and id of the record to be coupled first.
    """

    mapping: TableMapping | None = None
    connection: Connection | None = None
    coupling: Coupling | None = None
    side: str = ""
    job: int | None = None
    entry: int | None = None
    problem: int | None = None
    waits_for: tuple[str, str, str] | None = None

    @classmethod
    def of(cls, failure: Problem | SynchJobError | DeletedEntry, coupling: Coupling | None) -> About:
        """What a problem or an entry is about. ``coupling``: its record, where the person may see it."""
        of_problem = isinstance(failure, Problem)
        return cls(
            failure.mapping,
            failure.connection,
            coupling,
            failure.side,
            job=failure.last_job if isinstance(failure, Problem) else failure.job_id,
            entry=failure.last_entry if isinstance(failure, Problem) else failure.pk,
            problem=failure.pk if of_problem and coupling is None else None,
            waits_for=_parent(failure),
        )

    @property
    def app(self) -> Connection | None:
        if self.mapping is not None and self.side in list(Side):
            return self.mapping.connection(Side(self.side))
        return self.connection


def _parent(failure: Problem | SynchJobError | DeletedEntry) -> tuple[str, str, str] | None:
    """Mapping, side and id of the record that must be coupled first."""
    told = failure.params if failure.code == "reference_not_coupled" else {}
    found = (told.get("mapping"), told.get("side"), told.get("record"))
    if isinstance(failure, Problem) and failure.blocker_mapping_id and failure.blocker_record:
        found = (failure.blocker_mapping_id, failure.blocker_side, failure.blocker_record)
    return (str(found[0]), str(found[1]), str(found[2])) if all(found) else None


def applicable(coupling: Coupling | None, user: Any, offered: Sequence[Action] = ON_RECORDS) -> list[Action]:
    """The actions on records that this person may do with this one, as it is now."""
    if coupling is None:
        return []
    mine = couplings_of(Coupling.objects.filter(pk=coupling.pk).values("pk"))
    return [
        action
        for action in permitted(offered, user)
        if actions.allowed(action, mine, user).filter(action.applies_to).exists()
    ]


def offers(
    wanted: Sequence[str], about: About, user: Any, *, on_records: Sequence[Action] = ON_RECORDS
) -> list[Offer]:
    """What the guide offers, in its order, then what else can be done with the record."""
    found = {each.name: each for each in applicable(about.coupling, user, on_records)}
    result: dict[str, Offer] = {}
    for name in wanted:
        if name == "couple" and about.waits_for is None:
            name = SET_UP_COUPLING.name
        offer = _of_action(found[name]) if name in found else _of_set_up(name, about, user)
        if offer is not None and (offer := replace(offer, advised=True)) not in result.values():
            result[name] = offer
    for name, action in found.items():
        if name == SET_UP_COUPLING.name and "couple" in result:
            continue  # what must be coupled first is offered already
        result.setdefault(name, _of_action(action))
    return list(result.values())


def _of_action(action: Action) -> Offer:
    return Offer(
        str(action.label),
        action.icon,
        action.name,
        shortcut=action.shortcut,
        asks=action.asks,
        danger=action.danger,
    )


def _of_set_up(name: str, about: About, user: Any) -> Offer | None:
    """A step of a guide that is a page or a check; None where it is not for this person."""
    app, mapping = about.app, about.mapping
    sets_up = user.has_perm(roles.SET_UP)
    match name:
        case "couple" if user.has_perm("synccore.couple") and about.waits_for is not None:
            mapping_id, side, record = about.waits_for
            where = (
                reverse("coupling:couple")
                + "?"
                + urlencode({"mapping": mapping_id, "side": side, "id": record})
            )
            return _page(_("Couple what it waits for"), "link", where)
        case "edit" if user.has_perm("synccore.edit_record") and about.coupling is not None:
            return _page(_("Open the record"), "coupled", record_url(about.coupling))
        case "test_connection" if sets_up and about.problem is not None:
            where = reverse("synccore:check_now", args=[about.problem])
            return Offer(_("Check now"), "retry", url=where, posts=True)
        case "test_connection" if sets_up and app is not None:
            where = reverse("synccore:test_connection", args=[app.pk])
            return Offer(_("Test Connection: %(app)s") % {"app": app.name}, "play", url=where, posts=True)
        case "set_up_connection" if sets_up and app is not None:
            where = reverse("synccore:connection", args=[app.pk])
            return _page(_("Connection of %(app)s") % {"app": app.name}, "wrench", where)
        case "set_up_fields" if sets_up and mapping is not None:
            where = reverse("synccore:mapping_fields", args=[mapping.pk])
            return _page(_("Fields of %(name)s") % {"name": mapping.name}, "mapping", where)
        case "set_up_mapping" if sets_up and mapping is not None:
            where = reverse("synccore:mapping", args=[mapping.pk])
            return _page(_("Set-up of %(mapping)s") % {"mapping": mapping.name}, "wrench", where)
        case "show_job" if about.job:
            return _page(_("Show the job"), "jobs", reverse("synccore:job", args=[about.job]))
        case "allow_once" | "keep_stopped" if sets_up and about.job:
            return _page(_("See and decide"), "stop", reverse("synccore:job", args=[about.job]))
        case "copy_details" if about.entry:
            return _page(_("Copy details"), "copy", reverse("errors:entry", args=[about.entry]) + "#details")
    return None


def _page(label: str, icon: str, url: str) -> Offer | None:
    return Offer(label, icon, url=url) if url else None
