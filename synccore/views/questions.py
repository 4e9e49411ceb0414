"""What a question says about the very records that were chosen, and what its button says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from synccore.models import Coupling
from synccore.services import consequences
from synccore.services.consequences import Dependents, Keyed, Share
from ui.actions import Action, Told


def told(action: Action, couplings: QuerySet[Coupling], user: Any) -> list[Told]:
    """The consequences for these records, beside those that the action always has."""
    match action.name:
        case "restore":
            shares = consequences.gone(couplings)
            return [
                *(_restored(share) for share in shares),
                Told(
                    _(
                        "Only mapped fields come back. What an app held in other fields, and what it attached to the"
                        " record, is gone."
                    )
                ),
                *_ids(shares),
                *_refer(
                    consequences.dependents(couplings, user=user),
                    _(
                        "In the app where the record was deleted they may refer to nothing until they are saved again:"
                    ),
                ),
            ]
        case "delete":
            shares = consequences.gone(couplings)
            return [
                *(_deleted(share) for share in shares),
                *_refer(
                    consequences.dependents(couplings, user=user),
                    _("The app may refuse to delete what they refer to, or delete them as well:"),
                ),
                Told(
                    _(
                        "Each whole record is kept first, and Undo creates it again for 30 days. What does not come"
                        " back: what the app attached to it, references of other records to it, and fields that the"
                        " integration user cannot read or write."
                    )
                ),
                *_new_ids(shares),
            ]
        case "remove_coupling":
            return _refer(
                consequences.dependents(couplings, user=user),
                _("They stay coupled, and wait as soon as they are to be written again:"),
            )
        case "allow_again":
            return [_allowed(each) for each in consequences.keys_of(couplings)]
    return []


def _allowed(each: Keyed) -> Told:
    """What a mapping does with two records that are new to it."""
    values = {"mapping": each.mapping, "n": number_format(each.n, force_grouping=True), "field": each.field}
    if each.field:
        text = _("%(mapping)s, %(n)s: records whose %(field)s is the same are coupled with each other again.")
    elif each.creates:
        text = _(
            "%(mapping)s, %(n)s: the mapping names no field by which it finds a counterpart, so each record may be created"
            " once more in the other app."
        )
    else:
        text = _(
            "%(mapping)s, %(n)s: only coupled records synchronize; these wait until somebody couples them."
        )
    return Told(text % values)


def confirm(action: Action, couplings: QuerySet[Coupling], count: int) -> str:
    """What the button does, with the number and, where it is one, the app; "" where the action's own word will do."""
    n = number_format(count, force_grouping=True)
    if action.name == "remove_coupling":
        return ngettext("Remove %(n)s coupling", "Remove %(n)s couplings", count) % {"n": n}
    if action.name == "leave_out":
        return ngettext("Leave out %(n)s record", "Leave out %(n)s records", count) % {"n": n}
    if action.name not in ("restore", "delete"):
        return ""
    shares = consequences.gone(couplings)
    apps = {share.app if action.name == "restore" else share.other_app for share in shares}
    if len(apps) != 1:
        if action.name == "restore":
            return ngettext("Restore %(n)s record", "Restore %(n)s records", count) % {"n": n}
        return ngettext("Delete %(n)s record", "Delete %(n)s records", count) % {"n": n}
    if action.name == "restore":
        text = ngettext("Restore %(n)s record in %(app)s", "Restore %(n)s records in %(app)s", count)
    else:
        text = ngettext("Delete %(n)s record in %(app)s", "Delete %(n)s records in %(app)s", count)
    return text % {"n": n, "app": apps.pop()}


def _values(share: Share) -> dict[str, Any]:
    return {
        "n": number_format(share.n, force_grouping=True),
        "mapping": share.mapping.name,
        "app": share.app,
        "other": share.other_app,
    }


def _restored(share: Share) -> Told:
    text = ngettext(
        "%(mapping)s: %(n)s record is created again in %(app)s, from %(other)s.",
        "%(mapping)s: %(n)s records are created again in %(app)s, from %(other)s.",
        share.n,
    )
    return Told(text % _values(share))


def _deleted(share: Share) -> Told:
    text = ngettext(
        "%(mapping)s: %(n)s record is deleted in %(other)s; it is gone from %(app)s already.",
        "%(mapping)s: %(n)s records are deleted in %(other)s; they are gone from %(app)s already.",
        share.n,
    )
    return Told(text % _values(share))


def _ids(shares: Sequence[Share]) -> list[Told]:
    """Whether restored records are the same to their app."""
    found = []
    for app in dict.fromkeys(share.app for share in shares if share.keeps_id):
        found.append(Told(_("In %(app)s they get the ids back that they had.") % {"app": app}))
    for app in dict.fromkeys(share.app for share in shares if not share.keeps_id):
        text = _(
            "In %(app)s they get new ids: whatever names them by the old id there does not find them again."
        )
        found.append(Told(text % {"app": app}))
    return found


def _new_ids(shares: Sequence[Share]) -> list[Told]:
    """Apps in which an undone deletion would leave another id."""
    found = []
    for share in shares:
        survivor = share.side.other
        if getattr(share.mapping, f"{survivor.value}_key_kind") == "opaque":
            found.append(share.other_app)
    text = _("Created again by Undo, they would get new ids in %(app)s.")
    return [Told(text % {"app": app}) for app in dict.fromkeys(found)]


def _refer(found: Sequence[Dependents], why: str) -> list[Told]:
    """The coupled records that refer to the chosen ones, with names."""
    if not found:
        return []
    total = sum(each.n for each in found)
    text = ngettext("%(n)s coupled record refers to these.", "%(n)s coupled records refer to these.", total)
    lines = []
    for each in found:
        named = ", ".join(each.names)
        more = each.n - len(each.names)
        if more:
            named = _("%(names)s and %(n)s more") % {
                "names": named,
                "n": number_format(more, force_grouping=True),
            }
        n = number_format(each.n, force_grouping=True)
        lines.append(_("%(mapping)s, %(n)s: %(names)s") % {"mapping": each.mapping, "n": n, "names": named})
    return [Told(f"{text % {'n': number_format(total, force_grouping=True)}} {why}", tuple(lines))]
