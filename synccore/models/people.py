"""What people are to the records: who owns which, and who asked for help."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .connection import Connection
from .coupling import Coupling
from .problem import Problem


class OwnerCode(models.Model):
    """The code by which one app names a person as the owner of records (``left_owner_field``, ``right_owner_field``)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="owner_codes")
    connection = models.ForeignKey(Connection, models.CASCADE, related_name="owner_codes")
    code = models.CharField(_("code"), max_length=200)

    class Meta:
        verbose_name = _("owner code")
        verbose_name_plural = _("owner codes")
        constraints = [
            models.UniqueConstraint(fields=["user", "connection"], name="one_owner_code_per_app"),
            models.UniqueConstraint(fields=["connection", "code"], name="owner_code_once"),
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.code}"


class HelpRequest(models.Model):
    """*Ask the administrator*: who asked that a set-up problem be ended, when, and from which record."""

    problem = models.ForeignKey(Problem, models.CASCADE, related_name="asked")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    coupling = models.ForeignKey(Coupling, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("request for help")
        verbose_name_plural = _("requests for help")
        ordering = ("at", "pk")
        constraints = [models.UniqueConstraint(fields=["problem", "user"], name="asked_once")]

    def __str__(self) -> str:
        return f"{self.user} {self.at:%Y-%m-%d %H:%M}"
