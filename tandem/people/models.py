"""What signing in must remember. In the database, so that it holds for every web process and after a restart."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class SignInFailure(models.Model):
    """A try that failed, under a name from an address. Names are stored as a digest: a password may stand in that box."""

    name = models.CharField(max_length=64)
    address = models.GenericIPAddressField(null=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["name", "address", "at"], name="failure_of_name"),
            models.Index(fields=["at"], name="failure_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name[:8]} {self.at:%H:%M}"


class FirstCode(models.Model):
    """The one-time code of the first administrator, hashed; at most one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="first_code_one_row")]

    def __str__(self) -> str:
        return f"until {self.expires_at:%Y-%m-%d %H:%M}"
