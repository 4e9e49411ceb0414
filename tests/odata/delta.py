"""Dataverse's change tracking: ``Prefer: odata.track-changes``, delta links, deletions, links that are too old."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.odata.schema import EntitySet
from tests.odata.store import Row
from tests.odata.wire import Answer, Call, Refused

if TYPE_CHECKING:
    from tests.odata.dataverse import Dataverse

REFUSED = ("$filter", "$orderby", "$expand", "$top")
LINK = re.compile(
    r"(\d+)!([01])!(\d+)!(\d+)"
)  # since, changed or deleted, told up to, counter when the pass began


def asked(call: Call) -> bool:
    """Whether this reading is tracked."""
    tracked = call.prefers("odata.track-changes") is not None or call.prefers("track-changes") is not None
    return (
        tracked
        or "$deltatoken" in call.query
        or "%24deltatoken" in call.query
        or "$trackingtoken" in call.query
    )


def read(service: Dataverse, call: Call, shape: EntitySet) -> Answer:
    """All rows (first time), or what changed and what was deleted since the link was given; pages as elsewhere."""
    options = call.options(service.bad)
    for name in options:
        if name in REFUSED:
            raise service.bad(f"The query option '{name}' is not supported when change tracking is enabled.")
        if name.startswith("$") and name not in ("$select", "$deltatoken", "$trackingtoken", "$count"):
            raise service.bad(f"The query parameter {name} is not supported.")
    if not shape.tracks_changes:
        text = f"Entity {shape.type_name} is not enabled for change tracking."
        raise Refused(400, "0x80072491", text)
    token = options.get("$deltatoken") or options.get("$trackingtoken") or "0!0!0!0"
    match = LINK.fullmatch(token)
    if match is None:
        raise service.bad(f"The delta token '{token}' is not valid.")
    since, phase, place, began = map(int, match.groups())
    if since and since < service.oldest_delta:
        text = "Version stamp associated with the client has expired. Please perform a full sync."
        raise Refused(400, "0x80044352", text)
    render = service.rendering(shape, options, call)
    size = service.page_size(call)
    with service.store.lock:
        began = began or service.store.counter
        told = [each for each in _since(service, shape, since, began) if each[:2] > (phase, place)]
    page = told[:size]
    value = [
        render(each) if isinstance(each, Row) else _deletion(service, shape, each)
        for _phase, _when, each in page
    ]
    rest = "&".join(part for part in call.query.split("&") if part.startswith(("$select", "%24select")))
    link = f"{service.root}{shape.name}?{rest}{'&' if rest else ''}"
    body: dict[str, Any] = {
        "@odata.context": service.context(shape) + ("/$delta" if since else ""),
        "value": value,
    }
    if len(told) > size:
        phase, place, _row = page[-1]
        body["@odata.nextLink"] = f"{link}$trackingtoken={since}%21{phase}%21{place}%21{began}"
    else:
        body["@odata.deltaLink"] = f"{link}$deltatoken={began}%210%210%210"
    headers = service.page_headers(call)
    applied = ["odata.track-changes", *filter(None, [headers.get("Preference-Applied")])]
    return Answer(200, body, {**headers, "Preference-Applied": ",".join(applied)})


def _since(service: Dataverse, shape: EntitySet, since: int, until: int) -> list[tuple[int, int, Any]]:
    """What was written after ``since``, then what was deleted after it: (0 or 1, when, row or key).

    What came after ``until``, the beginning of this pass, is for the next link.
    """
    table = service.store.tables[shape.name]
    changed = sorted((row.change, row) for row in table.rows.values() if since < row.change <= until)
    deleted = [
        (when, key) for when, key, _made in table.deleted if since < when <= until and key not in table.rows
    ]
    return [
        *((0, when, row) for when, row in changed),
        *((1, when, key) for when, key in (deleted if since else ())),
    ]


def _deletion(service: Dataverse, shape: EntitySet, key: Any) -> dict[str, Any]:
    return {
        "@odata.context": f"{service.root}$metadata#{shape.name}/$deletedEntity",
        "id": key,
        "reason": "deleted",
    }
