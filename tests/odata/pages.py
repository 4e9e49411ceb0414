"""The app's own page of one record, as a link from Tandem opens it: read-only, for people who look at the demo.

/main.aspx?etn=account&id=…      as Dataverse addresses a record
/record/customers/…              for services whose pages are elsewhere
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs, unquote

from tests.odata.schema import EntitySet
from tests.odata.service import Service
from tests.odata.wire import Answer

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}"
    "th{text-align:start;font-weight:500;padding:.2rem 2rem .2rem 0;vertical-align:top;opacity:.7}"
    "td{padding:.2rem 0;overflow-wrap:anywhere}h1{margin-bottom:0}:root{color-scheme:light dark}"
)


def page_of(service: Service, path: str, query: str) -> Answer | None:
    """The page at an address; None where the address is none of a page."""
    parts = [unquote(part) for part in path.split("/") if part]
    if parts == ["main.aspx"]:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        shape = next((each for each in service.shapes.values() if each.type_name == asked.get("etn")), None)
        return _page(service, shape, asked.get("id", ""))
    if len(parts) == 3 and parts[0] == "record":
        return _page(service, service.shapes.get(parts[1]), parts[2])
    return None


def _page(service: Service, shape: EntitySet | None, id: str) -> Answer:
    rows = service.store.tables[shape.name].rows if shape else {}
    row = rows.get(int(id) if id.isdigit() and int(id) in rows else id.lower().strip("{}")) or rows.get(id)
    if shape is None or row is None:
        return _html(404, "Not found", "<p>There is no such record.</p>")
    names = (shape.primary_name, "displayName", "Name", shape.key)
    title = next((str(row.values[name]) for name in names if row.values.get(name)), id)
    lines = [
        f"<tr><th scope=row>{escape(prop.label or prop.name)}</th><td>{escape(_shown(row.values[prop.name]))}</td></tr>"
        for prop in shape.props.values()
        if row.values[prop.name] not in (None, "")
    ]
    return _html(
        200, title, f"<p>{escape(shape.label or shape.type_name)}</p><table>{''.join(lines)}</table>"
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def _html(status: int, title: str, body: str) -> Answer:
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return Answer(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})
