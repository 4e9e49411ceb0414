"""What *Tell Me* answers: pages and actions from the table, mappings, jobs and records from the memory.

Few questions to the database, whatever was typed: the mappings one may see, the first records by number or name (each
column its own first rows of a prefix index), their open problems, and who has the rights that somebody lacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext as _

from synccore.models import Coupling, Problem, SynchJob, TableMapping
from synccore.roles import SET_UP
from synccore.search import couplings_numbered, couplings_with
from synccore.tables import JobRow, record_url
from synccore.views.job_page import jobs_of

from .actions import ACTIONS
from .entry import Entry, Kind
from .match import Phrase, Typed, plain
from .pages import PAGES
from .states import STATES

ENTRIES = (*PAGES, *ACTIONS, *STATES)
_BY_CAPTION = {entry.captions[0]: entry for entry in ENTRIES}

#: So many of each group are shown.
SHOWN_ENTRIES, SHOWN_MAPPINGS, SHOWN_RECORDS = 8, 5, 8
#: So much of a typed text is looked at: an app's message may be pasted whole.
LONGEST = 500
_JOB = re.compile(r"(?:job|taak|jobb)?\s*#?\s*(\d{1,18})")
_WORDS = re.compile(r"\w+")
MOST_NUMBERS = 200
_NAMES = ("left_key", "right_key", "left_name", "right_name")


@dataclass(frozen=True)
class Hit:
    """One line of the answer. Without ``url`` it may not be opened, and ``more`` says who may."""

    label: str
    url: str
    icon: str
    more: str = ""
    known_as: str = ""


@dataclass(frozen=True)
class Found:
    """One group of the answer."""

    name: str
    title: str
    hits: list[Hit]


@dataclass
class Answer:
    groups: list[Found] = field(default_factory=list)
    #: What the words were read as, where nothing fitted what was typed.
    read_as: str = ""

    @property
    def n(self) -> int:
        return sum(len(group.hits) for group in self.groups)


def find(text: str, user: Any) -> Answer:
    """What fits the text, for this person; the best group first. Without a text: where one can go."""
    typed = Typed(text[:LONGEST])
    if not typed:
        pages = [(entry, "") for entry in PAGES if user.has_perm(entry.permission)]
        return Answer([_pages(_hits(pages, user))])
    mappings = list(
        TableMapping.objects.visible_to(user)
        .select_related("integration__left", "integration__right")
        .order_by("name", "pk")
    )
    entries, read_as = _entries(typed)
    records = _records(typed, mappings, user)
    mapping_hits = _mappings(typed, mappings, user)
    if read_as and (records or mapping_hits):
        entries, read_as = [], ""
    best = entries[0][2] if entries else 0
    known = [(entry, known_as) for entry, known_as, _score in entries[:SHOWN_ENTRIES]]
    shown = _hits(known, user)
    of_kind = {
        kind: [hit for (entry, _known), hit in zip(known, shown, strict=True) if entry.kind is kind]
        for kind in Kind
    }
    groups = [
        _pages(of_kind[Kind.PAGE]),
        Found("actions", _("Actions"), of_kind[Kind.ACTION]),
        Found("mappings", _("Mappings"), mapping_hits),
        Found("records", _("Records"), records),
        Found("jobs", _("Jobs"), _jobs(typed, user)),
    ]
    if entries and entries[0][0].kind is Kind.ACTION:
        groups[:2] = groups[1::-1]
    # Half of a page's name may be the whole of a record's: who types a number or a name in full means that.
    if (
        any(char.isdigit() for char in typed.text)
        or best < 90
        and any(_is_named(hit, typed) for hit in records)
    ):
        groups.insert(0, groups.pop(3))
    return Answer([group for group in groups if group.hits], read_as)


def _pages(hits: list[Hit]) -> Found:
    return Found("pages", _("Pages"), hits)


def _is_named(hit: Hit, typed: Typed) -> bool:
    return typed.plain in plain(hit.label)


# --- pages and actions -------------------------------------------------------------------------------------------


def _entries(typed: Typed) -> tuple[list[tuple[Entry, str, int]], str]:
    """Entries with the name by which they were found and how well, best first; and what the words were read as."""
    found = _scored(typed)
    if found:
        return found, ""
    vocabulary = {word for entry in ENTRIES for phrase in entry.phrases for word in phrase.words}
    corrected = typed.corrected(vocabulary)
    found = _scored(corrected) if corrected else []
    return found, corrected.text if corrected and found else ""


def _scored(typed: Typed) -> list[tuple[Entry, str, int]]:
    found = []
    for entry in ENTRIES:
        score, phrase = max(
            ((phrase.score(typed), phrase) for phrase in entry.phrases), key=lambda each: each[0]
        )
        if any(pattern.search(typed.plain) for pattern in entry.patterns):
            score, phrase = 95, Phrase(entry.label)
        if score:
            found.append((entry, "" if phrase.text == entry.label else phrase.text, score))
    return sorted(found, key=lambda each: -each[2])


def _hits(entries: list[tuple[Entry, str]], user: Any) -> list[Hit]:
    refused = {entry.permission for entry, _known in entries if not user.has_perm(entry.permission)}
    who = _who_may(refused)
    return [
        Hit(
            entry.label,
            "" if entry.permission in refused else entry.url,
            entry.icon,
            who.get(entry.permission) or (_BY_CAPTION[entry.on].label if entry.on else ""),
            known_as,
        )
        for entry, known_as in entries
    ]


def _who_may(permissions: set[str]) -> dict[str, str]:
    """Per right the groups that have it, as a sentence; one query, none where nothing was refused."""
    if not permissions:
        return {}
    codes = [permission.partition(".")[2] for permission in permissions]
    rows = Group.objects.filter(
        permissions__content_type__app_label="synccore", permissions__codename__in=codes
    )
    groups: dict[str, list[str]] = {code: [] for code in codes}
    for name, code in rows.order_by("name").values_list("name", "permissions__codename").distinct():
        if code in groups:
            groups[code].append(_(name))
    told = _(
        "You may not do this. These groups may: %(groups)s. An administrator of Tandem can give the right."
    )
    nobody = _("You may not do this. An administrator of Tandem can give the right.")
    return {
        permission: told % {"groups": ", ".join(groups[code])} if groups[code] else nobody
        for permission in permissions
        for code in [permission.partition(".")[2]]
    }


# --- mappings, jobs ----------------------------------------------------------------------------------------------


def _mappings(typed: Typed, mappings: list[TableMapping], user: Any) -> list[Hit]:
    found = []
    for mapping in mappings:
        names = (
            mapping.name,
            f"{mapping.left_table} {mapping.right_table}",
            mapping.left_table,
            mapping.right_table,
        )
        score = max(Phrase(name).score(typed) for name in names if name)
        if score:
            found.append((score, mapping))
    found.sort(key=lambda each: -each[0])
    return [
        Hit(
            mapping.name,
            _mapping_url(mapping, user),
            "sync",
            f"{mapping.integration.left.name} {mapping.left_table} ⇄ {mapping.integration.right.name} {mapping.right_table}",
        )
        for _score, mapping in found[:SHOWN_MAPPINGS]
    ]


def _mapping_url(mapping: TableMapping, user: Any) -> str:
    """Its set-up for who may change it, else its records."""
    if user.has_perm(SET_UP):
        return reverse("synccore:mapping", args=[mapping.pk])
    return f"{reverse('coupling:coupled')}?tab=all&mapping={mapping.pk}"


def _jobs(typed: Typed, user: Any) -> list[Hit]:
    found = _JOB.fullmatch(typed.plain)
    job = jobs_of(user).filter(pk=int(found[1])).first() if found else None
    if job is None:
        return []
    return [_job_hit(job)]


def _job_hit(job: SynchJob) -> Hit:
    row = JobRow(job)
    what = f"{row.what} · {job.mapping}" if job.mapping else row.what
    return Hit(_("Job %(n)s") % {"n": job.pk}, row.url, "jobs", f"{what} · {row.state.word}")


# --- records -----------------------------------------------------------------------------------------------------


def _records(typed: Typed, mappings: list[TableMapping], user: Any) -> list[Hit]:
    if not mappings:
        return []
    names = {mapping.pk: mapping for mapping in mappings}
    found = _couplings(typed.text, list(names))
    if not found:
        for mapping in mappings:  # "Customer 10023"
            head = f"{plain(mapping.name)} "
            if typed.plain.startswith(head):
                found += _couplings(typed.text[len(head) :], [mapping.pk])
    found = found[:SHOWN_RECORDS]
    problems = {
        coupling: state
        for coupling, state in Problem.objects.filter(coupling__in=[each.pk for each in found])
        .not_ended()
        .values_list("coupling", "state")
    }
    return [_record_hit(each, names[each.mapping_id], problems.get(each.pk)) for each in found]


def _couplings(text: str, mappings: list[int]) -> list[Coupling]:
    """The first records whose number or name begins with the text, those whose number it is first."""
    low = text.strip().lower()
    if not low:
        return []
    scope = Coupling.objects.filter(mapping__in=mappings, ended_at=None).order_by()
    numbers = [part.strip() for part in re.split(r"[,;\n\t]+", low) if part.strip()][:MOST_NUMBERS]
    if len(numbers) > 1:
        chosen = couplings_numbered(numbers, mappings).filter(mapping__in=mappings, ended_at=None)
        keys: QuerySet[Any] = chosen.order_by("pk").values("pk")[:SHOWN_RECORDS]
    else:
        # Each column gives its own first rows, so that each is a short walk along its prefix index.
        parts = [
            scope.alias(low=Lower(name)).filter(low__startswith=low).values("pk")[: SHOWN_RECORDS * 2]
            for name in _NAMES
        ]
        keys = parts[0].union(*parts[1:])
    pks = [row["pk"] for row in keys]
    if not pks and len(numbers) == 1 and (inside := _WORDS.findall(low)):  # a word further inside the name
        words = couplings_with(inside).filter(mapping__in=mappings, ended_at=None)
        pks = list(words.order_by().values_list("pk", flat=True)[: SHOWN_RECORDS * 2])
    found = list(Coupling.objects.filter(pk__in=pks).defer("left_base", "right_base").order_by("pk"))
    found.sort(
        key=lambda each: (
            low not in (each.left_key.lower(), each.right_key.lower()),
            not (each.left_key.lower().startswith(low) or each.right_key.lower().startswith(low)),
        )
    )
    return found


def _record_hit(coupling: Coupling, mapping: TableMapping, state: str | None) -> Hit:
    if state:
        word, icon = str(Problem.State(state).label), "warning"
    elif coupling.removed_at:
        word, icon = _("Removed"), "unlink"
    else:
        word, icon = (
            (_("In sync"), "check") if coupling.agreed_at else (_("Not synchronized yet"), "hourglass")
        )
    return Hit(str(coupling), record_url(coupling), icon, f"{mapping.name} · {word}")
