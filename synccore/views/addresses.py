"""Addresses of records in Tandem's own pages, and the link to a job; every app links to them by these."""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from synccore.models import Coupling, SynchJob
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


def job_link(job: SynchJob) -> SafeString:
    """The job's number as a link to its page, to stand in a sentence."""
    name = _("job %(n)s") % {"n": job.pk}
    return format_html('<a href="{}">{}</a>', reverse("synccore:job", args=[job.pk]), name)
