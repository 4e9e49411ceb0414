"""Records by words and numbers (ENGINE §8): conditions that each have an index.

A word is looked for in the keys and names of both records, and, where a list shows failures, in the causes' messages: a word
there leads over the cause's fingerprint to every row. Each condition is one branch of the list's order (``ui.paging``), so
that a cause with a million entries and a name with three cost about the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.contrib.postgres.search import SearchQuery
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from synccore import guides
from synccore.guides.shape import fill
from synccore.models import Coupling
from synccore.models.coupling import WORDS_OF_PAIR
from synccore.models.problem import KindChoices
from ui.paging import among
from ui.search import PREFIX, Numbers, Words

#: Records that one word may lead to; further ones are not looked at.
MOST_RECORDS = 10_000
#: Different sets of words that the messages of causes may hold.
MOST_MASKS = 12
_KEYS = ("left_key", "right_key")
_NAMES = (*_KEYS, "left_name", "right_name")


def words_query(words: Iterable[str]) -> SearchQuery:
    """All of these words, as beginnings where they are long enough."""
    parts = []
    for word in words:
        quoted = word.replace("\\", " ").replace("'", "''")
        parts.append(f"'{quoted}'{':*' if len(word) >= PREFIX else ''}")
    return SearchQuery(" & ".join(parts), config="simple", search_type="raw")


def couplings_with(words: Sequence[str]) -> QuerySet[Coupling]:
    """Couplings whose keys and names hold all of the words; one word may also begin a key or a name."""
    found = Coupling.objects.alias(_words=WORDS_OF_PAIR)
    wanted = Q(_words=words_query(words))
    if len(words) == 1:
        # Spelled as LOWER(column) LIKE 'text%', which the text_pattern_ops indexes answer.
        found = found.alias(**{f"_low_{name}": Lower(name) for name in _NAMES})
        for name in _NAMES:
            how = "startswith" if len(words[0]) >= PREFIX else "exact"
            wanted |= Q(**{f"_low_{name}__{how}": words[0]})
    return found.filter(wanted)


def couplings_numbered(numbers: Sequence[str], mappings: Iterable[int] = ()) -> QuerySet[Coupling]:
    """Couplings one of whose keys is one of the numbers; records without a key go by their id, in these mappings."""
    low = {f"_low_{name}": Lower(name) for name in _KEYS}
    wanted = Q()
    for name in _KEYS:
        wanted |= Q(**{f"_low_{name}__in": list(numbers)})
    if ids := list(mappings):
        for side in ("left", "right"):
            wanted |= Q(mapping__in=ids, removed_at=None, ended_at=None, **{f"{side}_id__in": list(numbers)})
    return Coupling.objects.alias(**low).filter(wanted)


def of_couplings(field: str, found: QuerySet[Coupling]) -> Q:
    """Rows whose ``field`` holds the id of one of the couplings, which are found first, by their own plan."""
    return among(field, found.order_by().values("pk")[:MOST_RECORDS])


def holds(title: str, words: Sequence[str]) -> bool:
    """Whether a text has all of the words; long enough ones may be beginnings."""
    own = title.lower().split()
    return all(
        any(each == word or len(word) >= PREFIX and each.startswith(word) for each in own) for word in words
    )


def _titled(words: Sequence[str], text: str) -> Q:
    """Rows whose title or kind, in the reader's language or as known from elsewhere, holds all of the words."""
    codes = [code for code, guide in guides.GUIDES.items() if holds(fill(guide.title, {}), words)]
    kinds = [kind for kind, label in KindChoices.choices if holds(str(label), words)]
    return Q(kind__in=kinds) | Q(code__in=[*codes, *guides.codes_known_as(text)])


def branches(
    found: Words | Numbers,
    field: str,
    *,
    text: str = "",
    said: Mapping[str, frozenset[str]] | None = None,
    mappings: Iterable[int] = (),
) -> tuple[Q, ...]:
    """The rows that match, as disjoint conditions.

    Args:
        field: the field that holds a coupling's id; "pk" in the list of couplings.
        text: what was typed, for wordings people know from elsewhere.
        said: fingerprint → those of the words that its cause's message holds; None where rows are no failures.
    """
    if isinstance(found, Numbers):
        return (of_couplings(field, couplings_numbered(found.numbers, mappings)),)
    words = found.words
    if said is None:
        return (of_couplings(field, couplings_with(words)),)
    by_words: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for fingerprint, held in said.items():
        by_words[held].append(fingerprint)
    most = sorted(by_words.items(), key=lambda each: -len(each[0]))[:MOST_MASKS]
    titled = _titled(words, text)
    wanted = [titled]
    listed: list[str] = []
    for held, fingerprints in most:
        listed += fingerprints
        rest = [word for word in words if word not in held]
        named = of_couplings(field, couplings_with(rest)) if rest else Q()
        wanted.append(Q(fingerprint__in=fingerprints) & named & ~titled)
    wanted.append(of_couplings(field, couplings_with(words)) & ~Q(fingerprint__in=listed) & ~titled)
    return tuple(wanted)
