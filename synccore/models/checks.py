"""What the last set-up check of each connection found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from synccore.shapes import CheckState

from .connection import Connection
from .mapping import TableMapping


class SetupCheck(models.Model):
    """One check of a connection, or of its side of a mapping. A run of ``check_set_up`` replaces all of its connection."""

    class State(models.TextChoices):
        FAIL = CheckState.FAIL.value, _("Failed")
        WARN = CheckState.WARN.value, _("Warning")
        UNKNOWN = CheckState.UNKNOWN.value, _("Could not be checked")
        PASS = CheckState.PASS.value, _("Passed")

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="checks")
    mapping = models.ForeignKey(TableMapping, models.CASCADE, null=True, related_name="checks")
    code = models.CharField(max_length=40)
    state = models.CharField(max_length=7, choices=State)
    params = models.JSONField(default=dict)
    at = models.DateTimeField()
    #: Since when one check after the other found it in this state.
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)
        verbose_name = _("set-up check")
        verbose_name_plural = _("set-up checks")

    def __str__(self) -> str:
        return f"{self.connection} {self.code} ({self.state})"
