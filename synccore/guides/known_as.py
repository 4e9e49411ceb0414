"""What a failure is called where people come from: the wordings of Business Central, in three languages.

They are quoted, not translated: nobody searches for a translation of what stood on his screen. No app sends the older
ones any more; people remember them, and the search finds by them what they mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Fewer letters than this are part of too many wordings.
SHORTEST: Final = 12
_SPACES: Final = re.compile(r"[\W_]+")
#: A missing privilege, in any language: the user's id, then a token that begins with prv; or the app's own code.
_PRIVILEGE: Final = re.compile(
    r"id=\{?[0-9a-f-]{36}\}?.{0,400}?\bprv\w*|0x80040220", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Known:
    """One wording. ``anchor``: the part without names, by which it is recognised in what somebody pasted."""

    language: str
    wording: str
    anchor: str


_CONFLICT: Final = (
    Known(
        "en",
        "Cannot update the Customer record because it has a later modified date than the Account record",
        "because it has a later modified date than the",
    ),
    Known(
        "en",
        "The mapping between the fields is bi-directional, and one or both values have changed "
        "since the last synchronization",
        "is bi-directional, and one or both values have changed since the last synchronization",
    ),
    Known(
        "nl",
        "Kan de klantrecord niet bijwerken omdat deze een latere wijzigingsdatum heeft dan de accountrecord",
        "omdat deze een latere wijzigingsdatum heeft dan de",
    ),
    Known(
        "nb",
        "Kan ikke oppdatere kundeposten fordi den har en senere endringsdato enn forretningsforbindelsesposten",
        "fordi den har en senere endringsdato enn",
    ),
)
_DELETED: Final = (
    Known(
        "en",
        "The record cannot be updated because it is coupled to a deleted record",
        "record cannot be updated because it is coupled to a deleted record",
    ),
)
_PRIVILEGES: Final = (
    Known("en", "Principal user (Id=…, type=8) is missing prvWrite… privilege", "principal user"),
    Known("nl", "Hoofdgebruiker (Id=…, type=8) heeft geen machtiging prvWrite…", "hoofdgebruiker"),
    Known("nb", "Hovedbruker (Id=…, type=8) mangler prvWrite…-rettigheten", "hovedbruker"),
)
_RATE: Final = (
    Known(
        "en",
        "The currency cannot be synchronized because there is no exchange rate defined for it",
        "because there is no exchange rate defined for it",
    ),
)

KNOWN_AS: Final[dict[str, tuple[Known, ...]]] = {
    "update_conflict": _CONFLICT,
    "deleted_left": _DELETED,
    "deleted_right": _DELETED,
    "missing_privilege": (
        *_PRIVILEGES,
        Known(
            "en",
            "Sorry, the current permissions prevented the action. (TableData …)",
            "current permissions prevented the action",
        ),
        Known(
            "en",
            "You do not have the following permissions on TableData …",
            "following permissions on tabledata",
        ),
    ),
    "exchange_rate_missing": (
        *_RATE,
        Known(
            "en",
            "There is no Currency Exchange Rate within the filter",
            "no currency exchange rate within the filter",
        ),
    ),
    "manual_numbers_off": (
        Known(
            "en",
            "You may not enter numbers manually. If you want to enter numbers manually, please activate Manual Nos. in "
            "No. Series …",
            "you may not enter numbers manually",
        ),
    ),
    "duplicate_rule": (
        Known(
            "en",
            "A record was not created or updated because a duplicate of the current record already exists",
            "a duplicate of the current record already exists",
        ),
    ),
    "precondition_missing": _RATE,
    "reference_not_coupled": (
        Known("en", "The record must be coupled to a record in Dataverse", "must be coupled to a"),
    ),
    "admin_mode": (
        Known(
            "en",
            "The user does not have required privileges (or role membership) to access the org when it "
            "is in Admin Only mode",
            "to access the org when it is in Admin Only mode",
        ),
    ),
    "connection_lost": (
        Known(
            "en",
            "Table connection for table type CRM must be registered using RegisterTableConnection",
            "must be registered using RegisterTableConnection",
        ),
        Known(
            "nl",
            "Tabelverbinding voor tabeltype CRM moet worden geregistreerd",
            "tabeltype CRM moet worden geregistreerd",
        ),
        Known("nb", "Tabelltilkobling for tabelltype CRM må registreres", "tabelltype CRM må registreres"),
    ),
    "not_superuser": (
        Known(
            "en",
            "You must choose a user that does not have the System Administrator role",
            "you must choose a user that does not have the",
        ),
    ),
    "sign_in_refused": (
        Known("en", "Enter valid integration user credentials", "enter valid integration user credentials"),
    ),
}


def known_as(code: str, language: str = "") -> str:
    """The wording that people with this language know a failure by; the English one where there is none, "" if none."""
    found = KNOWN_AS.get(code, ())
    own = next((each for each in found if each.language == language[:2]), None)
    return (own or found[0]).wording if found else ""


def codes_known_as(text: str) -> tuple[str, ...]:
    """Codes of failures that people know by these words: a whole message, pasted, or as much of one as was typed.

    Case, punctuation and the names in it do not count. () for words that are in no wording.
    """
    words = _plain(text)
    if _PRIVILEGE.search(text):
        return ("missing_privilege",)
    if len(words) < SHORTEST:
        return ()
    return tuple(
        code
        for code, wordings in KNOWN_AS.items()
        if any(_plain(each.anchor) in words or words in _plain(each.wording) for each in wordings)
    )


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text.casefold()).strip()
