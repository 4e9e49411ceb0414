"""Addresses of records in Tandem's own pages; templates and lists of every app link to a record by these."""

from __future__ import annotations

from django.urls import reverse

from synccore.models import Coupling
from synccore.shapes import Side


def record_url(coupling: Coupling) -> str:
    """Address of a pair's own page: exactly this pair, whatever else has the same number."""
    side = Side.LEFT if coupling.left_id is not None else Side.RIGHT
    return pair_url(coupling.mapping_id, coupling.pk, coupling.of(side, "key") or coupling.of(side, "id"))


def pair_url(mapping: int | None, coupling: int | None, key: str) -> str:
    """The same of a pair that was not loaded; ``key``: what people read in the address. "" where there is no pair."""
    if mapping is None or coupling is None:
        return ""
    return f"{reverse('coupling:record', args=[mapping, key or '-'])}?pair={coupling}"
