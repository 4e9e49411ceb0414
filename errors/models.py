"""Causes: entries that share a fingerprint, over all mappings."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.utils.translation import gettext_lazy as _

from synccore.models.problem import KindChoices

#: The words of a cause's message: what the index ``cause_words`` holds.
WORDS_OF_CAUSE = SearchVector("sample", config="simple")


class Cause(models.Model):
    """One cause of failures. ``sample`` and ``params`` are those of the entry that met it first.

    Rows appear in the transaction that stores the entry (``errors.apps``) and are never counted: how often a cause was met
    stands in the statistics, so that workers share no hot row.
    """

    fingerprint = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=14, choices=KindChoices)
    code = models.CharField(max_length=60)
    params = models.JSONField(default=dict)
    sample = models.TextField(blank=True, default="")
    first_seen = models.DateTimeField()

    class Meta:
        verbose_name = _("cause")
        verbose_name_plural = _("causes")
        indexes = [
            # causes by the time they were first met
            models.Index(fields=["-first_seen", "fingerprint"], name="cause_by_time"),
            # search in messages
            GinIndex(WORDS_OF_CAUSE, name="cause_words"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.fingerprint[:8]}"
