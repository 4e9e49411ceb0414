"""What the diary and its deleted entries share: whose rows, which filters, and the result of a clean-up above the list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from synccore.views.lists import RecordListPage

from .clean_up import RESULT, result_in, without_result


def with_what_rows_show(entries: Any) -> QuerySet[Any]:
    found: QuerySet[Any] = entries.select_related(
        "mapping__integration__left", "mapping__integration__right", "connection"
    )
    return found


class DiaryPage(RecordListPage):
    permission = "synccore.view"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        if RESULT in self.params:  # the list's own links do not carry it on
            self.params = self.params.copy()
            self.params.pop(RESULT)

    def choices(self) -> dict[str, Any]:
        names = {(each.integration.left.name, each.integration.right.name) for each in self.mappings}
        left, right = names.pop() if len(names) == 1 else (_("the left app"), _("the right app"))
        return super().choices() | {
            "destination": [("right", f"{left} → {right}"), ("left", f"{right} → {left}")]
        }

    def chosen_ids(self, rows: QuerySet[Any], most: int) -> Sequence[int]:
        """Ids of the rows an action means, one more than ``most`` where there are more."""
        return list(rows.order_by().values_list("pk", flat=True)[: most + 1])

    def extra(self) -> dict[str, Any]:
        return {
            "may_clean_up": self.request.user.has_perm("synccore.clean_up"),  # type: ignore[union-attr]
            "cleaned": result_in(self.request),
            "back": without_result(self.request.get_full_path()),
        }
