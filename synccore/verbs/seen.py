"""What a person had before him when he decided, so that a decision is carried out on that and on nothing else.

Per side: the record's version, a hash over its mapped fields, and a keyed digest per field (values never leave the
server, nor can a sensitive one be guessed from its digest).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.crypto import salted_hmac

from synccore.engine.compiled import Compiled
from synccore.engine.images import image_hash
from synccore.failures import Rejected
from synccore.shapes import Record, Side

#: {"version": …, "hash": … or "", "fields": {rule id: digest}}
Seen = Mapping[str, Any]


def digest(text: str | None) -> str:
    """A short keyed digest of a canonical text."""
    return salted_hmac("synccore.seen", "-" if text is None else f"+{text}").hexdigest()[:16]


def seen(version: str, texts: Mapping[int, str | None], *, hash: str = "") -> Seen:
    """``texts``: rule id → canonical text, of the fields whose value was known."""
    return {
        "version": version,
        "hash": hash,
        "fields": {str(rule): digest(text) for rule, text in texts.items()},
    }


def seen_record(rules: Compiled, side: Side, record: Record) -> Seen:
    """What there is to see of a record that was just read."""
    return seen(record.version, _texts(rules, side, record), hash=image_hash(rules, side, record))


def changed(rules: Compiled, side: Side, record: Record, before: Seen) -> list[int]:
    """Ids of the mapped fields of ``record`` that are not what was seen; none while no mapped field moved.

    A field whose value was not known to the person is named only where no other explains the change.
    """
    if record.version == before["version"] or image_hash(rules, side, record) == before["hash"]:
        return []
    texts = _texts(rules, side, record)
    known = before["fields"]
    found = [rule for rule, text in texts.items() if str(rule) in known and known[str(rule)] != digest(text)]
    return found or [rule for rule in texts if str(rule) not in known]


def _texts(rules: Compiled, side: Side, record: Record) -> dict[int, str | None]:
    found: dict[int, str | None] = {}
    for each in rules.fields:
        if each.name(side) is None:
            continue
        try:
            found[each.rule.id] = each.text(side, record)
        except Rejected:
            found[each.rule.id] = f"invalid {each.value(record, side)!r}"
    return found
