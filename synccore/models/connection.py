"""Business apps, how they are reached, and the pair of them that is kept in step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from synccore import crypto
from synccore.connectors import CONNECTORS, connect
from synccore.connectors.base import Connector
from synccore.engine.rules import Skew
from synccore.shapes import Side

#: Options by which a kind of connector limits how long one step of a call may last, in seconds.
TIME_LIMITS: Final = ("connect_timeout", "lock_timeout", "statement_timeout", "request_timeout")


class Connection(models.Model):
    """One business app. Credentials are encrypted at rest and never shown again."""

    name = models.CharField(_("name"), max_length=100, unique=True, help_text=_("What people call this app."))
    kind = models.CharField(_("kind"), max_length=40)
    options = models.JSONField(_("options"), default=dict, blank=True)
    credentials = models.TextField(_("credentials"), blank=True, default="", editable=False)
    integration_user = models.CharField(_("integration user"), max_length=200, blank=True, default="")
    overlap_seconds = models.PositiveIntegerField(_("overlap"), default=300)
    #: App clock minus ours, in seconds, and how sure we are; measured by ``check``.
    skew_seconds = models.FloatField(default=0.0, editable=False)
    skew_uncertainty = models.FloatField(default=0.0, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    #: When its credentials were typed last.
    secrets_at = models.DateTimeField(null=True, editable=False)
    #: Where people say that the set-up check finds currencies and rates: ``mapping`` (whose records are the currencies),
    #: ``base`` (code of the app's own currency), ``table`` and ``field`` (of its exchange rates). ``{"skip": true}``: there
    #: is nothing to check. Empty: as the app itself tells, see ``told_currencies``.
    currencies = models.JSONField(default=dict, blank=True, editable=False)
    #: What the app itself said last (``shapes.Currencies``); empty where it cannot tell.
    told_currencies = models.JSONField(default=dict, blank=True, editable=False)
    #: What the app listed for people to choose from when it was last asked: ``choices`` (``shapes.Choice``) and ``at``;
    #: ``because`` (facts of a failure) where the last try gave nothing new.
    listed = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name = _("connection")
        verbose_name_plural = _("connections")

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        """Where the app is reached, as people read it; "" where only a secret says it."""
        kind = CONNECTORS.get(self.kind)
        declared = [each.name for each in kind.options if each.address] if kind else []
        stored = {name: str(self.options.get(name) or "") for name in declared}
        whole = next((value for value in stored.values() if value.startswith(("http://", "https://"))), "")
        if whole:
            return whole
        host, port, database = (stored.get(name, "") for name in ("host", "port", "dbname"))
        return f"{host}{':' if port else ''}{port}{'/' if database else ''}{database}"

    def secrets(self) -> dict[str, str]:
        """The decrypted credentials. Raises Misconfigured when no key opens them."""
        return crypto.open_sealed(self.credentials, app=self.name)

    def set_secrets(self, secrets: Mapping[str, str]) -> None:
        self.credentials = crypto.seal(secrets)

    def connect(self, *, longest: int | None = None) -> Connector:
        """A connector with this connection's options and credentials; the caller closes it.

        ``longest``: no step of a call (connecting, a lock, a statement) may last longer than so many seconds, for a
        person who waits; kinds without such options know their own limits. Raises Misconfigured where options or
        credentials cannot be used.
        """
        options: dict[str, Any] = {"overlap": self.overlap_seconds, **self.options}
        if longest is not None:
            options.update(self._short(longest))
        return connect(self.kind, options, self.secrets(), app=self.name)

    def _short(self, longest: int) -> dict[str, int]:
        kind = CONNECTORS.get(self.kind)
        limits = [each for each in kind.options if each.name in TIME_LIMITS] if kind else []
        chosen = {each.name: self.options.get(each.name, each.default) for each in limits}
        return {
            name: min(value, longest) if isinstance(value, int) else longest for name, value in chosen.items()
        }

    @property
    def skew(self) -> Skew:
        return Skew(self.skew_seconds, self.skew_uncertainty)


class Integration(models.Model):
    """A pair of apps. Pausing stops its schedules between pages; nothing is lost, changes wait."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    left = models.ForeignKey(Connection, models.PROTECT, related_name="+", verbose_name=_("left app"))
    right = models.ForeignKey(Connection, models.PROTECT, related_name="+", verbose_name=_("right app"))
    paused_since = models.DateTimeField(null=True, blank=True, editable=False)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    paused_reason = models.CharField(max_length=500, blank=True, default="", editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name = _("integration")
        verbose_name_plural = _("integrations")
        constraints = [
            models.CheckConstraint(condition=~models.Q(left=models.F("right")), name="integration_two_apps"),
        ]

    def __str__(self) -> str:
        return self.name

    def connection(self, side: Side) -> Connection:
        return self.left if side is Side.LEFT else self.right


class Instance(models.Model):
    """One row: the identity of this installation, so that a copied database does not start to synchronise."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    instance_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    #: Last link of the chain of job seals; kept here so that retention never touches it.
    last_seal = models.CharField(max_length=64, blank=True, default="")
    #: When the tick came last: Home says whether anything starts by itself.
    ticked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="instance_one_row")]

    def __str__(self) -> str:
        return self.instance_id
