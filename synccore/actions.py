"""What can be done with records. Every list of records, in every app, offers these same objects.

The objects contain no work; ``perform`` at the end is the one place that hands them to the services.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, In
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from synccore import roles, services
from synccore.failures import Kind
from synccore.forms import LeaveOutForm, SideForm
from synccore.models import Coupling, Problem, SynchJob, TableMapping
from synccore.models.scoping import GrantLevel
from synccore.services import match
from synccore.services.jobs import NotNow
from synccore.shapes import Side
from synccore.views.addresses import job_link
from synccore.views.sentences import not_now, not_retried
from ui.actions import MANY, NAMES_SHOWN, Action, Outcome, press
from ui.due import is_due
from ui.paging import among

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

#: State and kind of a record's problem, looked up for each record by its own index. ``EXISTS`` is a join to the database,
#: which reads all problems anew for each record while it knows nothing of the two tables.
_PROBLEM = Problem.objects.filter(coupling=OuterRef("pk")).not_ended()
_STATE, _KIND = (Coalesce(Subquery(_PROBLEM.values(name)[:1]), Value("")) for name in ("state", "kind"))
_OPEN = Q(In(_STATE, [state.value for state in Problem.OPEN]))
_LEFT_OUT = Q(Exact(_STATE, Problem.State.ON_PURPOSE.value))
_COUPLED = Q(left_id__isnull=False, right_id__isnull=False)
_LIVE = Q(removed_at=None, ended_at=None)
_REMOVED = Q(removed_at__isnull=False, ended_at=None)

RETRY = Action(
    name="retry",
    label=gettext_lazy("Retry"),
    permission="synccore.retry",
    icon="retry",
    shortcut="r",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & _OPEN,
    not_for=gettext_lazy("Retry is for records that have an open problem."),
    counted=ngettext_lazy("Retry %(n)s record", "Retry %(n)s records", "n"),
)
RUN_NOW = Action(
    name="run_now",
    label=gettext_lazy("Run it now"),
    permission="synccore.synchronize",
    icon="play",
    shortcut="Shift+R",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & _OPEN,
    not_for=gettext_lazy("Run it now is for records that have an open problem."),
)
SYNCHRONIZE = Action(
    name="synchronize",
    label=gettext_lazy("Synchronize"),
    permission="synccore.synchronize",
    icon="sync",
    shortcut="s",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE,
    not_for=gettext_lazy("Synchronize is for records whose coupling was not removed."),
    counted=ngettext_lazy("Synchronize %(n)s record", "Synchronize %(n)s records", "n"),
    question=gettext_lazy("Synchronize: which version?"),
    consequences=(
        gettext_lazy(
            "The version you choose is written to the other app; the value it replaces is kept in the journal."
        ),
        gettext_lazy("The apps may run their own automations for these records."),
    ),
    confirm=gettext_lazy("Synchronize"),
    options=SideForm,
)
RESTORE = Action(
    name="restore",
    label=gettext_lazy("Restore Records"),
    permission="synccore.restore_records",
    icon="restore",
    level=GrantLevel.DELETE,
    applies_to=_LIVE & _COUPLED & (Q(left_exists=False) | Q(right_exists=False)),
    not_for=gettext_lazy("Restore is for coupled records whose counterpart was deleted."),
    counted=ngettext_lazy("Restore %(n)s record", "Restore %(n)s records", "n"),
    question=gettext_lazy("Restore the deleted records?"),
    consequences=(gettext_lazy("That app may run its own automations for these records."),),
    confirm=gettext_lazy("Restore Records"),
)
DELETE = Action(
    name="delete",
    label=gettext_lazy("Delete Records"),
    permission="synccore.delete_records",
    icon="trash",
    level=GrantLevel.DELETE,
    applies_to=_LIVE & _COUPLED & (Q(left_exists=False) | Q(right_exists=False)),
    not_for=gettext_lazy("Delete is for coupled records whose counterpart was deleted."),
    counted=ngettext_lazy("Delete %(n)s record", "Delete %(n)s records", "n"),
    question=gettext_lazy("Delete the records that are left?"),
    consequences=(
        gettext_lazy("The records are gone from both apps then."),
        gettext_lazy("The app may run its own automations for these records."),
    ),
    confirm=gettext_lazy("Delete Records"),
    danger=True,
)
REMOVE_COUPLING = Action(
    name="remove_coupling",
    label=gettext_lazy("Remove Coupling"),
    permission="synccore.remove_coupling",
    icon="unlink",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE,
    not_for=gettext_lazy("Their coupling was removed before."),
    counted=ngettext_lazy("Remove %(n)s coupling", "Remove %(n)s couplings", "n"),
    question=gettext_lazy("Remove the coupling?"),
    consequences=(
        gettext_lazy("Both records stay in their apps and no longer synchronize."),
        gettext_lazy(
            "They are marked not to be coupled by themselves; no later run couples or creates them again."
        ),
    ),
    confirm=gettext_lazy("Remove Coupling"),
    danger=True,
)
LEAVE_OUT = Action(
    name="leave_out",
    label=gettext_lazy("Leave out on purpose"),
    permission="synccore.leave_out",
    icon="pause",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & ~_LEFT_OUT,
    not_for=gettext_lazy("They are left out on purpose already, or their coupling was removed."),
    question=gettext_lazy("Leave these records out on purpose?"),
    consequences=(
        gettext_lazy("No job touches them until somebody takes it back or the end date comes."),
        gettext_lazy(
            "What changes in one app meanwhile does not reach the other; it is compared when they come back."
        ),
    ),
    confirm=gettext_lazy("Leave out"),
    options=LeaveOutForm,
)
TAKE_BACK = Action(
    name="take_back",
    label=gettext_lazy("Take back"),
    permission="synccore.leave_out",
    icon="restore",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & _LEFT_OUT,
    not_for=gettext_lazy("Take back is for records that are left out on purpose."),
)
COUPLE_AGAIN = Action(
    name="couple_again",
    label=gettext_lazy("Couple again"),
    permission="synccore.couple",
    icon="link",
    level=GrantLevel.RESOLVE,
    applies_to=_REMOVED & _COUPLED,
    not_for=gettext_lazy("Couple again is for couplings that were removed."),
)
ALLOW_AGAIN = Action(
    name="allow_again",
    label=gettext_lazy("Allow again"),
    permission="synccore.remove_coupling",
    icon="play",
    level=GrantLevel.RESOLVE,
    applies_to=_REMOVED,
    not_for=gettext_lazy("Allow again is for couplings that were removed."),
    question=gettext_lazy("Allow these records to be coupled by themselves again?"),
    consequences=(
        gettext_lazy(
            "The mark goes, and with it what the two last agreed on: the next sweep finds both as new records."
        ),
        gettext_lazy("To put a pair back as it was, use Couple again instead."),
    ),
    confirm=gettext_lazy("Allow again"),
)

SET_UP_COUPLING = Action(
    name="set_up_coupling",
    label=gettext_lazy("Set Up Coupling"),
    permission="synccore.couple",
    icon="link",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & ~_COUPLED,
    not_for=gettext_lazy("Set Up Coupling is for records without a counterpart."),
    question=gettext_lazy("Set up the coupling of these records?"),
    consequences=(
        gettext_lazy("A counterpart is chosen for each record on its own; the answer has a link for each."),
    ),
    confirm=gettext_lazy("Set Up Coupling"),
)

FIND_MATCHES = Action(
    name="find_matches",
    label=gettext_lazy("Find matches"),
    permission="synccore.couple",
    icon="search",
    level=GrantLevel.RESOLVE,
    applies_to=_LIVE & ~_COUPLED | _REMOVED,
    not_for=gettext_lazy(
        "Find matches is for records without a counterpart, and for couplings that were removed."
    ),
    counted=ngettext_lazy("Find matches for %(n)s record", "Find matches for %(n)s records", "n"),
)

ON_RECORDS = (
    RETRY, SYNCHRONIZE, RESTORE, DELETE, SET_UP_COUPLING, FIND_MATCHES, REMOVE_COUPLING, LEAVE_OUT, RUN_NOW,
)  # fmt: skip
ON_REMOVED = (COUPLE_AGAIN, FIND_MATCHES, ALLOW_AGAIN)
ON_LEFT_OUT = (TAKE_BACK, REMOVE_COUPLING)
ON_COUPLINGS = (SYNCHRONIZE, REMOVE_COUPLING, LEAVE_OUT)
_VERBS = {"restore": "restore", "delete": "delete", "remove_coupling": "uncouple", "take_back": "take_back",
    "couple_again": "couple_again", "allow_again": "allow_again",
}  # fmt: skip


def allowed(
    action: Action, couplings: QuerySet[Any], user: AbstractBaseUser | AnonymousUser
) -> QuerySet[Any]:
    """Those on whose mapping the user's groups may do it."""
    return couplings.visible_to(user, GrantLevel(action.level))  # type: ignore[attr-defined]


def check_size(action: Action, count: int, user: AbstractBaseUser | AnonymousUser) -> None:
    """Raise PermissionDenied for more than a handful without the right to act on many."""
    if count > MANY and not user.has_perm("synccore.bulk"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.bulk"))


def refusal(action: Action, user: AbstractBaseUser | AnonymousUser) -> str:
    may = user.has_perm(action.permission)  # type: ignore[union-attr]
    return roles.refusal(action.permission, of_mapping=may)


def form_options(action: Action, couplings: QuerySet[Any]) -> dict[str, Any]:
    """Arguments of the action's form for these records."""
    if action is not SYNCHRONIZE:
        return {}
    pairs = (
        couplings.order_by()
        .values_list("mapping__integration__left__name", "mapping__integration__right__name")
        .distinct()[:2]
    )
    names = pairs[0] if len(pairs) == 1 else (_("the left app"), _("the right app"))
    deciding = _OPEN & Q(In(_KIND, [Kind.CONFLICT.value, Kind.MISSING.value]))
    conflicts = couplings.filter(deciding).count()
    return {"apps": {"left": names[0], "right": names[1]}, "conflicts": conflicts}


def perform(action: Action, couplings: QuerySet[Any], options: dict[str, Any], *, user: Any) -> Outcome:
    """Hand the action to the services and say what came of it."""
    if action is RETRY:
        return retried(services.retry(couplings, user=user))
    if action is SET_UP_COUPLING:
        return _to_couple(couplings)
    if action is FIND_MATCHES:
        return _look_for_matches(couplings, user=user)
    if action is RUN_NOW:
        return run_now(couplings, user=user)
    if action is LEAVE_OUT:
        given = left_out_as(options)
        return started(services.start_bulk("leave_out", couplings, user=user, options=given), action)
    if action is SYNCHRONIZE:
        verb, chosen = SideForm.as_options(options["version"])
        return started(services.start_bulk(verb, couplings, user=user, options=chosen), action)
    return started(services.start_bulk(_VERBS[action.name], couplings, user=user, options={}), action)


def left_out_as(options: dict[str, Any]) -> dict[str, Any]:
    """Reason and end date of *Leave out on purpose*, as its job takes them."""
    until = options["until"]
    return {"reason": options["reason"].strip(), "until": until.isoformat() if until else None}


def couple_address(coupling: Coupling) -> str:
    """Where this record is coupled by hand."""
    side = next(iter(coupling.sides()), Side.LEFT)
    query = {"mapping": str(coupling.mapping_id), "side": side.value, "id": coupling.of(side, "id") or ""}
    return f"{reverse('coupling:couple')}?{urlencode(query)}"


def _to_couple(couplings: QuerySet[Any]) -> Outcome:
    """A link for each of the first records; a counterpart cannot be chosen for several at once."""
    rows = list(couplings.order_by("pk")[: NAMES_SHOWN + 1])
    names = [(each.title(next(iter(each.sides()), Side.LEFT)), each) for each in rows[:NAMES_SHOWN]]
    links = format_html_join(
        " · ", '<a href="{}">{}</a>', ((couple_address(each), name) for name, each in names)
    )
    more = _("and more; these first") if len(rows) > NAMES_SHOWN else ""
    return Outcome(format_html("{} {} {}", _("Choose the counterpart of each:"), links, more))


def _look_for_matches(couplings: QuerySet[Any], *, user: Any) -> Outcome:
    """A look per mapping at what these records match by its criteria; the answer leads to each preview."""
    said: list[Any] = []
    ok = False
    for mapping in TableMapping.objects.filter(pk__in=couplings.order_by().values("mapping")):
        try:
            match.start_look(mapping, user=user, couplings=couplings)
        except NotNow as no:
            said.append(not_now(no.code, no.params))
            continue
        link = format_html('<a href="{}">{}</a>', reverse("synccore:match", args=[mapping.pk]), mapping.name)
        said.append(
            format_html(_("Both apps are asked what these records match; the preview stands here: {}."), link)
        )
        ok = True
    return Outcome(format_html_join(" ", "{}", ((each,) for each in said)), ok=ok)


def started(job: SynchJob, action: Action) -> Outcome:
    text = _("%(action)s runs as %(job)s; its page shows the result of every record.")
    text = text.replace("%(action)s", "{0}").replace("%(job)s", "{1}")
    return Outcome(format_html(text, action.label, job_link(job)))


def run_now(couplings: QuerySet[Any], *, user: Any) -> Outcome:
    """*Run it now*: the job, and what is left alone because only a decision ends it."""
    try:
        tried = services.try_now(couplings, user=user)
    except NotNow as no:
        return Outcome(not_now(no.code, no.params), ok=False)
    said: list[Any] = []
    if tried.job is not None:
        text = ngettext("{n} record runs now as {job}.", "{n} records run now as {job}.", tried.n)
        said.append(format_html(text, n=tried.n, job=job_link(tried.job)))
    if tried.refused:
        said.append(_left_alone(tried.refused))
    if not said:
        said.append(_("None of these records waits any more."))
    return Outcome(format_html_join(" ", "{}", ((each,) for each in said)), ok=tried.job is not None)


def retried(result: Any) -> Outcome:
    """What *Retry* did, with *Run it now* in the same sentence."""
    said: list[Any] = []
    if result.marked:
        said.append(_in_the_next(result))
        said.append(press(_("Run it now"), reverse("synccore:run_pressed"), "pressed", result.at.isoformat()))
    if result.refused:
        said.append(_left_alone(result.refused))
    return Outcome(format_html_join(" ", "{}", ((each,) for each in said)), ok=bool(result.marked))


def _left_alone(refused: Sequence[Any]) -> str:
    n = len(refused)
    text = ngettext("%(n)s record was not included: %(why)s", "%(n)s records were not included: %(why)s", n)
    reasons = list(dict.fromkeys(not_retried(each.reason) for each in refused))
    return text % {"n": n, "why": " ".join(reasons)}


def _in_the_next(result: Any) -> str:
    n = result.marked
    if result.next_run is None:
        text = ngettext(
            "%(n)s record is in the next synchronization; none is planned.",
            "%(n)s records are in the next synchronization; none is planned.",
            n,
        )
        return text % {"n": n}
    if is_due(result.next_run):
        text = ngettext(
            "%(n)s record is in the next synchronization, which is due now.",
            "%(n)s records are in the next synchronization, which is due now.",
            n,
        )
        return text % {"n": n}
    text = ngettext(
        "%(n)s record is in the next synchronization at %(at)s.",
        "%(n)s records are in the next synchronization at %(at)s.",
        n,
    )
    return text % {"n": n, "at": f"{timezone.localtime(result.next_run):%H:%M}"}


def couplings_of(keys: QuerySet[Any]) -> QuerySet[Coupling]:
    """The couplings with these ids; the base images stay behind."""
    return Coupling.objects.filter(among("pk", keys)).defer("left_base", "right_base")
