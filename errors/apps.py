"""The diary. Connects the one receiver of ``page_stored``: the only way up from the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from synccore.models import SynchJobError


class ErrorsConfig(AppConfig):
    name = "errors"
    verbose_name = _("Errors")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from synccore.jobs import page_stored

        page_stored.connect(_keep_causes, dispatch_uid="errors.keep_causes")


def _keep_causes(*, entries: Sequence[SynchJobError], **_signal: object) -> None:
    from errors.services import keep_causes

    keep_causes(entries)
