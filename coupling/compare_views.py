"""*Synchronize* one record as a comparison: the page with what was kept, its live fragment, and the decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from synccore import guides, roles, services
from synccore.engine.rules import StepKind
from synccore.models import Coupling, JobItem, Problem
from synccore.models.scoping import GrantLevel
from synccore.services.comparing import Pair
from synccore.services.jobs import NotNow
from synccore.shapes import SIDES, Side
from synccore.tables import app_names
from synccore.verbs.chosen import CHANGED_MEANWHILE
from synccore.views.sentences import item_note

from . import compare

SYNCHRONIZE = "synccore.synchronize"
SALT = "coupling.compare"
#: A page that stood open longer than this is read again before anything is decided on it.
LONGEST_OPEN = 12 * 3600
NO_ANSWER = gettext_lazy("What this page showed is too old or was changed; nothing was written. Look again.")


@dataclass(frozen=True, slots=True)
class Posted:
    """What a person decided: the page he saw, and unit → side."""

    problem: int | None
    required: list[str]
    seen: dict[str, Any]
    units: dict[str, Side]
    remember: frozenset[str] = frozenset()

    @property
    def missing(self) -> list[str]:
        return [unit for unit in self.required if unit not in self.units]


def _coupling(request: HttpRequest, pk: int) -> Coupling:
    """A whole coupling this person may see. Raises PermissionDenied, Http404."""
    if not request.user.has_perm("synccore.view"):  # type: ignore[union-attr]
        raise PermissionDenied(roles.refusal("synccore.view"))
    seen = Coupling.objects.visible_to(request.user).paired()
    related = seen.select_related(
        "mapping__integration__left", "mapping__integration__right", "removed_by", "agreed_by"
    )
    return get_object_or_404(related, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """The comparison with the values Tandem kept; no app is called. POST is the decision."""
    coupling = _coupling(request, pk)
    if request.method == "POST":
        return _apply(request, coupling)
    pair = services.kept_pair(coupling, services.open_problem(coupling))
    return render(request, "coupling/compare.html", _context(request, pair) | {"load_live": True})


@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The comparison with both records as they are now: the region alone for the page, a whole page without JavaScript."""
    coupling = _coupling(request, pk)
    pair = services.live_pair(coupling, services.open_problem(coupling))
    template = "coupling/compare_region.html" if request.htmx else "coupling/compare.html"  # type: ignore[attr-defined]
    answer = render(request, template, _context(request, pair))
    answer["Cache-Control"] = "no-store"
    return answer


def _context(
    request: HttpRequest, pair: Pair, *, choices: dict[str, str] | None = None, missing: bool = False
) -> dict[str, Any]:
    user, coupling = request.user, pair.coupling
    shown = compare.build(pair, see_sensitive=user.has_perm("synccore.see_sensitive"), choices=choices or {})  # type: ignore[union-attr]
    if (everywhere := request.GET.get("choose")) and not choices:
        sides = {"left": "left", "right": "right", "newest": shown.newest.side if shown.newest else ""}
        picked = {row.name: sides.get(everywhere, "") for row in shown.conflicts}
        shown = compare.build(
            pair,
            see_sensitive=user.has_perm("synccore.see_sensitive"),  # type: ignore[union-attr]
            choices=picked,
        )
    apps = app_names(coupling.mapping)
    busy = services.being_decided(coupling)
    may = _may_decide(user, coupling)
    problem = pair.problem
    kept_conflict = bool(shown.conflicts) and not pair.live
    return {
        "page_title": _("Synchronize %(record)s")
        % {"record": coupling.title(Side.LEFT) or coupling.title(Side.RIGHT)},
        "coupling": coupling,
        "mapping": coupling.mapping,
        "pair": pair,
        "shown": shown,
        "left": shown.heads[0],
        "right": shown.heads[1],
        "problem": problem,
        "busy": busy,
        "decided": _decided_before(coupling) if problem is None else None,
        "stopped": _stopped_before(coupling, apps),
        "trouble": _cannot(pair, apps),
        "notice": _left_alone(pair, apps),
        "may": may,
        "may_remember": may and user.has_perm("synccore.remember_rule"),
        "refusal": "" if may else _refusal(user),
        "decidable": may
        and busy is None
        and not pair.gone
        and pair.failure is None
        and coupling.removed_at is None
        and coupling.ended_at is None
        and (bool(pair.live and (shown.rows or problem)) or kept_conflict)
        and not _is_left_alone(pair),
        "missing": missing,
        "token": _token(pair, [row.name for row in shown.conflicts]),
        "live_url": reverse("coupling:live_compare", args=[coupling.pk]),
        "here": reverse("coupling:live_compare" if pair.live else "coupling:compare", args=[coupling.pk]),
    }


def _may_decide(user: Any, coupling: Coupling) -> bool:
    return (
        user.has_perm(SYNCHRONIZE)
        and Coupling.objects.visible_to(user, GrantLevel.RESOLVE).filter(pk=coupling.pk).exists()
    )


def _refusal(user: Any) -> str:
    return roles.refusal(SYNCHRONIZE, of_mapping=user.has_perm(SYNCHRONIZE))


def _cannot(pair: Pair, apps: dict[str, str]) -> str:
    """Why the two records cannot be compared; "" where they can."""
    if pair.failure is not None:
        failure = pair.failure
        side = str(failure.params.get("side", ""))
        told = guides.render(failure.code, failure.params, apps=apps, side=side, kind=failure.kind.value)
        return _("The two records cannot be compared: %(why)s") % {"why": told.sentence}
    if len(pair.gone) == len(SIDES):
        return _("Both records are gone. The next synchronization ends this coupling by itself.")
    for side in pair.gone:
        text = _(
            "The record is not in %(app)s any more. Restore Records, Delete Records or Remove Coupling decides that;"
            " there is nothing to compare."
        )
        return text % {"app": apps[side.value]}
    return ""


def _is_left_alone(pair: Pair) -> bool:
    return pair.step is not None and pair.step.kind is StepKind.LEFT_FILTER


def _left_alone(pair: Pair, apps: dict[str, str]) -> str:
    if not _is_left_alone(pair) or pair.step is None or pair.step.side is None:
        return ""
    return _(
        "The record in %(app)s is outside the filter of this mapping, so the pair is left as it is. "
        "It synchronizes again when it is back inside."
    ) % {"app": apps[pair.step.side.value]}


def _decided_before(coupling: Coupling) -> Problem | None:
    """The last problem of the pair that ended, with how, by whom and when."""
    ended = Problem.objects.filter(coupling=coupling, state=Problem.State.ENDED)
    return ended.select_related("ended_by").order_by("-ended_at", "-pk").first()


def _stopped_before(coupling: Coupling, apps: dict[str, str]) -> dict[str, Any] | None:
    """The last decision about this pair, if it stopped because a record had moved."""
    last = (
        JobItem.objects.filter(coupling=coupling, purpose=JobItem.Purpose.CHOSEN)
        .exclude(state=JobItem.State.OPEN)
        .order_by("-pk")
        .first()
    )
    if last is None or not last.note.startswith(f"{CHANGED_MEANWHILE}:"):
        return None
    return {"job": last.job_id, "why": item_note(last.note, apps)}


# -- the decision ------------------------------------------------------------------------------------------------------


def _token(pair: Pair, conflicts: list[str]) -> str:
    """What the page shows, signed: the decision is carried out on this or not at all."""
    content = {
        "c": pair.coupling.pk,
        "p": pair.problem.pk if pair.problem else None,
        "u": conflicts,
        "s": pair.seen,
    }
    return signing.dumps(content, salt=SALT, compress=True)


def _posted(request: HttpRequest, coupling: Coupling) -> Posted | None:
    try:
        content = signing.loads(request.POST.get("token", ""), salt=SALT, max_age=LONGEST_OPEN)
    except signing.BadSignature:
        return None
    if content["c"] != coupling.pk or not content["s"]:
        return None
    chosen = {unit: request.POST.get(f"choice:{unit}", "") for unit in content["u"]}
    units = {unit: Side(side) for unit, side in chosen.items() if side in ("left", "right")}
    remember = frozenset(unit for unit in units if request.POST.get(f"remember:{unit}"))
    return Posted(content["p"], content["u"], content["s"], units, remember)


def _apply(request: HttpRequest, coupling: Coupling) -> HttpResponse:
    back = redirect("coupling:compare", pk=coupling.pk)
    if not _may_decide(request.user, coupling):
        raise PermissionDenied(_refusal(request.user))
    posted = _posted(request, coupling)
    if posted is None:
        messages.warning(request, str(NO_ANSWER))
        return back
    problem = services.open_problem(coupling)
    if posted.problem is not None and (problem is None or problem.pk != posted.problem):
        messages.warning(request, _ended_meanwhile(posted.problem))
        return back
    if posted.missing:
        pair = services.kept_pair(coupling, problem)
        choices = {unit: side.value for unit, side in posted.units.items()}
        context = _context(request, pair, choices=choices, missing=True)
        return render(request, "coupling/compare.html", context, status=422)
    try:
        job = services.resolve_one(
            coupling,
            user=request.user,
            units=posted.units,
            seen=posted.seen,
            remember=posted.remember,
        )
    except NotNow as no:
        messages.warning(request, _not_now(no))
        return back
    link = format_html('<a href="{}">{}</a>', back.url, coupling)
    text = _("{record} is read again and synchronized now; this page shows the result.")
    messages.success(request, format_html(text, record=link))
    if posted.remember:
        messages.info(request, _remembered(coupling))
    return redirect("synccore:job", pk=job.pk)


def _remembered(coupling: Coupling) -> str:
    text = _(
        "Remembered: where both apps change these fields of {mapping}, the side you chose counts by itself. "
        "{fields} changes that."
    )
    where = reverse("synccore:mapping_fields", args=[coupling.mapping_id])
    fields = format_html('<a href="{}">{}</a>', where, _("Its field mappings"))
    return format_html(text, mapping=coupling.mapping.name, fields=fields)


def _ended_meanwhile(pk: int) -> str:
    ended = Problem.objects.filter(pk=pk).select_related("ended_by").first()
    if ended is None or ended.ended_at is None:
        return _("This was decided meanwhile; nothing more was written.")
    who = str(ended.ended_by) if ended.ended_by else _("Tandem, by itself")
    text = _("This was decided meanwhile by %(who)s: %(how)s. Nothing more was written.")
    return text % {"who": who, "how": ended.get_ending_display()}


def _not_now(no: NotNow) -> str:
    if no.code == "in_job":
        who = no.params["who"] or _("somebody")
        return _("%(who)s decided this record a moment ago, as job %(n)s. Nothing more was started.") % {
            "who": who,
            "n": no.params["job"],
        }
    return _("These two records are not coupled any more; nothing was written.")
