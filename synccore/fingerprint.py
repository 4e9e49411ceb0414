"""One hash for failures with one cause, whatever record they name (ENGINE §3). Pure, and stored with its
version.

The app's message is read once from left to right; the first pattern that matches at a place decides what
stands there. What is variable (GUIDs, dates, numbers, e-mail addresses, quoted values, the record's own key
and name) becomes a placeholder; what names the cause (a constraint, a column, a privilege, an app's error
code) stays.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final
from unicodedata import normalize

#: Raise it when any message may hash differently; fingerprints of two versions never meet.
FINGERPRINT_VERSION: Final = 1

#: Words before a quoted word that make it the name of a thing in the app, not a value of the record.
_NAMING: Final = (
    r"column|constraint|relation|table|index|key|schema|type|function|database|role|sequence|trigger|view|domain"
    r"|policy|language|field|entity|attribute|property|parameter|enum|user|server|operator|class"
    r"|kolom|tabel|relatie|beperking|veld|entiteit|kenmerk|eigenschap|rol"
    r"|kolonne|tabell|relasjon|felt|entitet|attributt|egenskap|rolle"
    r"|Spalte|Relation|Tabelle|Check-Constraint|Constraint|Typ|Feld|Rolle|Datenbank|Schema"
    r"|colonne|contrainte|champ|rôle"
)

_MONTH: Final = (
    r"(?:jan|feb|mar|mrt|maa|apr|may|mei|mai|jun|jul|aug|sep|oct|okt|nov|dec|des)[a-z]{0,7}\.?"  # en, nl, nb
)
_TIME: Final = (
    r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?"
    r"(?:\s?Z\b|\s?[+-]\d{2}:?\d{2}\b|[+-]\d{2}\b)?"
)
_DAY: Final = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    rf"|\d{{1,2}}\.?\s(?i:{_MONTH}),?\s\d{{4}}|(?i:{_MONTH})\s\d{{1,2}},?\s\d{{4}})(?!\d)"
)

#: In order of preference at one place; None keeps what was matched.
_PATTERNS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("code", r"\b0[xX][0-9a-fA-F]+\b", None),
    ("privilege", r"\bprv[A-Za-z]\w*", None),
    (
        "guid",
        r"\{?(?<![0-9a-fA-F-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])\}?",
        "<id>",
    ),
    ("email", r"(?<![\w.+%'-])[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+", "<email>"),
    # PostgreSQL: Key (email)=(a@b.no) already exists — the columns are the cause, the values are not.
    ("key_value", r"\)=\([^\n]*\)", ")=(<value>)"),
    # PostgreSQL: Failing row contains (1, Anna, null).
    ("row", r"(?<=contains )\([^\n]*\)", "(<value>)"),
    (
        "named",
        rf"(?<!\w)(?:{_NAMING})\s(?:\"[^\"\n]+\"|'[^'\n]+'|[»«“„‘’][^\n»«“”‘’]+[»«”“‘’])",
        None,
    ),
    ("quoted", r"\"[^\"\n]*\"|«[^«»\n]*»|»[^«»\n]*«|[“„][^„”“\n]*[”“]|‘[^‘’\n]*’(?!\w)", "<value>"),
    # An apostrophe inside a word is no quote: can't, O'Brien, kunden's.
    ("apostrophes", r"(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w))*'(?!\w)", "<value>"),
    ("time", rf"{_DAY}(?:[T,]?\s?{_TIME})?|(?<![\d:]){_TIME}", "<time>"),
    # Document numbers and other ids: a word with three digits or more (C10023, 01121212X).
    ("id", r"(?<!\w)(?=(?:[^\W\d]*\d){3})(?=\w*[^\W\d])\w+", "<id>"),
    ("number", r"(?<!\w)[-+]?\d+(?:[.,' \u00a0\u202f]\d{3})*(?:[.,]\d+)?(?=[a-zA-Z]{0,3}(?!\w))", "<n>"),
)
_REPLACEMENT: Final = {name: replacement for name, _, replacement in _PATTERNS}
_ALL: Final = "|".join(f"(?P<{name}>{pattern})" for name, pattern, _ in _PATTERNS)
_PLAIN: Final = re.compile(_ALL)
_PLACEHOLDER: Final = re.compile(r"<[a-z]+>")
_SPACE: Final = re.compile(r"\s+")


def _own(key: str, name: str) -> re.Pattern[str]:
    """The patterns with the record's own key and name before all others, the longer one first."""
    texts = {normalize("NFC", text).strip() for text in (key, name)}
    # What becomes a placeholder anyway is left to it: a value may happen to equal the key.
    words = [
        text for text in texts if len(text) > 1 and not _PLACEHOLDER.fullmatch(_PLAIN.sub(_replace, text))
    ]
    if not words:
        return _PLAIN
    own = "|".join(re.escape(text) for text in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?P<own>(?<!\w)(?:{own})(?!\w))|{_ALL}")


def _replace(found: re.Match[str]) -> str:
    group = found.lastgroup or ""
    if group == "own":
        return "<record>"
    replacement = _REPLACEMENT[group]
    return found[0] if replacement is None else replacement


def normalise(message: str, key: str = "", name: str = "") -> str:
    """``message`` with its variable parts as placeholders and its white space as single blanks.

    ``key`` and ``name`` are those of the record the message is about. Takes and gives any text; never raises.
    """
    text = normalize("NFC", message)
    return _SPACE.sub(" ", _own(key, name).sub(_replace, text)).strip()


def fingerprint(
    kind: str, code: str, table: str, field: str, app_message: str, *, key: str = "", name: str = ""
) -> str:
    """sha256 (64 hex digits) of version, class, code, table, field and the normalised message of a
    failure."""
    parts = (str(FINGERPRINT_VERSION), kind, code, table, field, normalise(app_message, key, name))
    return sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
