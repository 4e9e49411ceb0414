"""Words in the messages of causes: the way from a word to every row that failed for that reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.models import BooleanField, ExpressionWrapper, Q

from errors.models import WORDS_OF_CAUSE, Cause
from synccore.search import words_query

#: Causes looked at for one search.
MOST_CAUSES = 500


def causes_saying(words: Sequence[str]) -> dict[str, frozenset[str]]:
    """Fingerprint → those of the words that the cause's message holds; one query, the newest causes first."""
    found = Cause.objects.alias(_words=WORDS_OF_CAUSE)
    anything = Q()
    columns = {}
    for place, word in enumerate(words):
        holds = Q(_words=words_query([word]))
        anything |= holds
        columns[f"_holds_{place}"] = ExpressionWrapper(holds, output_field=BooleanField())
    rows = found.filter(anything).annotate(**columns).order_by("-first_seen", "fingerprint")
    return {
        fingerprint: frozenset(word for word, holds in zip(words, held, strict=True) if holds)
        for fingerprint, *held in rows.values_list("fingerprint", *columns)[:MOST_CAUSES]
    }


class InMessages:
    """For filters of lists of failures: words are also looked for in the messages."""

    def said(self, words: Sequence[str]) -> Mapping[str, frozenset[str]]:
        return causes_saying(words)
