"""What a list page does when a button of an action is pressed: who may, on which rows, the question, what is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views import View

from .actions import NAMES_SHOWN, SELECTED, Action, Outcome, Selection, Told, pressed
from .bulk import Fit, look


class Acting(View):
    """POST does an action on ticked rows, one row, or all matching ones; ``ListPage`` says which rows these are."""

    actions: tuple[Action, ...] = ()

    # --- what a subclass answers ------------------------------------------------------------------------

    def chosen(self, selection: Selection) -> QuerySet[Any]:
        """The rows of a selection, scoped to the user."""
        raise NotImplementedError

    def names(self, rows: QuerySet[Any]) -> list[str]:
        """Names of the first rows, for a question."""
        return [str(row) for row in rows[:NAMES_SHOWN]]

    def targets(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """What actions work on, from the list's rows."""
        return rows

    def allowed(self, action: Action, targets: QuerySet[Any]) -> QuerySet[Any]:
        """The targets on which the user may do it."""
        return targets

    def acts_on(self, action: Action, rows: QuerySet[Any]) -> QuerySet[Any]:
        """What this action works on, where it differs from what the others do."""
        return self.targets(rows)

    def perform(self, action: Action, targets: QuerySet[Any], options: dict[str, Any]) -> Outcome:
        """Do it."""
        raise NotImplementedError

    def refusal(self, action: Action | None) -> str:
        """What a person reads who may not do it (None: who may not open the page)."""
        return ""

    def form_options(self, action: Action, targets: QuerySet[Any]) -> dict[str, Any]:
        """Arguments of the action's form."""
        return {}

    def check_size(self, action: Action, count: int) -> None:
        """Raise PermissionDenied where so many rows are too many for this user."""

    def opens(self, action: Action, targets: QuerySet[Any]) -> str:
        """Address of a page that asks better than the question does, where one row alone was chosen."""
        return ""

    def fits(self, offered: Sequence[Action], rows: QuerySet[Any]) -> list[Fit]:
        """How the actions fit these rows, before one is pressed; one query."""
        found = []
        for action in offered:
            chosen = self.acts_on(action, rows)
            may = self.allowed(action, chosen)
            found.append((action, chosen, may, may.filter(action.applies_to)))
        return look(found)

    def told(self, action: Action, targets: QuerySet[Any]) -> Sequence[Told]:
        """What the question says about these very rows, after what it always says."""
        return ()

    def confirm(self, action: Action, targets: QuerySet[Any], count: int) -> str:
        """What the question's button says it does with these rows; "" for the action's own word."""
        return ""

    def preview(
        self, action: Action, targets: QuerySet[Any], count: int
    ) -> tuple[str, dict[str, Any]] | None:
        """Template and context of what the question shows below its form; None for nothing."""
        return None

    # --- what happens -------------------------------------------------------------------------------------

    def post(self, request: HttpRequest) -> HttpResponse:
        found = pressed(self.actions, request.POST)
        if found is None:
            return HttpResponseRedirect(request.get_full_path())
        action, value = found
        if not request.user.has_perm(action.permission):  # type: ignore[union-attr]
            raise PermissionDenied(self.refusal(action))
        selection = Selection.of(request.POST, value)
        if not selection:
            return self._back(Outcome(_("Nothing is ticked. Tick the records first."), ok=False))
        return self._act(action, selection, self.chosen(selection))

    def _act(self, action: Action, selection: Selection, rows: QuerySet[Any]) -> HttpResponse:
        chosen = self.acts_on(action, rows)
        may = self.allowed(action, chosen)
        fitting = may.filter(action.applies_to)
        total, within, count = chosen.count(), may.count(), fitting.count()
        if total and not within:
            raise PermissionDenied(self.refusal(action))
        if not count:
            reason = str(action.not_for) if total else _("These records have left the list in the meantime.")
            return self._back(Outcome(reason, ok=False))
        self.check_size(action, count)
        answered = self.request.POST.get("answered") == "1"
        form = self._form(action, fitting, answered=answered)
        if action.asks and not (answered and (form is None or form.is_valid())):
            if not answered and count == total == 1 and (page := self.opens(action, fitting)):
                return HttpResponseRedirect(page)
            return self._ask(
                action, selection, fitting, form, count=count, forbidden=total - within, other=within - count
            )
        outcome = self.perform(action, fitting, form.cleaned_data if form else {})
        self._say_left_over(action, forbidden=total - within, other=within - count)
        return self._back(outcome)

    def _form(self, action: Action, targets: QuerySet[Any], *, answered: bool) -> Any:
        if action.options is None:
            return None
        return action.options(self.request.POST if answered else None, **self.form_options(action, targets))

    def _ask(
        self,
        action: Action,
        selection: Selection,
        targets: QuerySet[Any],
        form: Any,
        *,
        count: int,
        forbidden: int,
        other: int,
    ) -> HttpResponse:
        names, preview = self.names(targets), self.preview(action, targets, count)
        context = {
            "page_title": action.question or action.label,
            "action": action,
            "value": SELECTED,
            "selection": selection,
            "count": count,
            "names": names,
            "more": count - len(names),
            "forbidden": forbidden,
            "other": other,
            "told": self.told(action, targets),
            "confirm": self.confirm(action, targets, count) or action.confirm or action.label,
            "form": form,
            "preview_template": preview[0] if preview else "",
            **(preview[1] if preview else {}),
            "back": self.request.get_full_path(),
        }
        return render(self.request, "ui/question.html", context)

    def _say_left_over(self, action: Action, *, forbidden: int, other: int) -> None:
        if other:
            text = _("%(n)s of the chosen records were left alone: %(why)s")
            messages.info(self.request, text % {"n": other, "why": action.not_for})
        if forbidden:
            text = _("%(n)s of the chosen records were left alone: your group may only view them.")
            messages.info(self.request, text % {"n": forbidden})

    def _back(self, outcome: Outcome) -> HttpResponse:
        messages.add_message(
            self.request, messages.SUCCESS if outcome.ok else messages.WARNING, str(outcome.sentence)
        )
        return HttpResponseRedirect(self.request.get_full_path())
