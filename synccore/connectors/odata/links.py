"""Addresses: queries that we make, and links that a service gives, which are its own text and are sent byte for byte."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from synccore.connectors.odata import filtering
from synccore.connectors.odata.messages import origin_of

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|/")
_BY_NUMBER: Final = re.compile(r"[?&](\$|%24)skip=", re.IGNORECASE)
_IN_BRACKETS: Final = re.compile(r"\((?:[A-Za-z_][\w.]*=)?([^()]*)\)\Z")
#: How many of a pass's last links are remembered, to notice one that comes again.
REMEMBERED: Final = 20


def query(
    set_name: str, *, select: Sequence[str] = (), filter: str = "", order: Sequence[str] = (), **more: str
) -> str:
    """The path of a query, encoded. Options that say nothing are left out."""
    options = {"$select": ",".join(select), "$filter": filter, "$orderby": ",".join(order)}
    text = filtering.query(options | {f"${name}": value for name, value in more.items()})
    return f"{set_name}?{text}" if text else set_name


def joined(*conditions: str) -> str:
    """Conditions of a filter, all of which must hold."""
    parts = [each for each in conditions if each]
    return " and ".join(f"({each})" if len(parts) > 1 and " or " in each else each for each in parts)


def ends_or_goes_on(body: dict[str, Any]) -> bool:
    """Whether an answer says where it goes on, or says nothing of it: a link that is no text is not the last page."""
    return all(isinstance(_said(body, name), str | None) for name in ("nextLink", "deltaLink"))


def next_link(body: dict[str, Any], *, requested: str, root: str) -> str | None:
    """The address of the next page, if the answer names one."""
    return _link(body, "nextLink", requested, root)


def delta_link(body: dict[str, Any], *, requested: str, root: str) -> str | None:
    """The address from which what changes from now on can be read, if the answer names one."""
    return _link(body, "deltaLink", requested, root)


def _link(body: dict[str, Any], name: str, requested: str, root: str) -> str | None:
    link = _said(body, name)
    if not isinstance(link, str) or not link:
        return None
    context = body.get("@odata.context") or body.get("@context")
    return resolve(link, context=context, requested=requested, root=root)


def _said(body: dict[str, Any], name: str) -> Any:
    """A control information of an answer, as OData 4.0 or 4.01 writes it, whatever its case: one that is passed over would
    make a page the last one."""
    names = (f"@odata.{name}".lower(), f"@{name}".lower())
    return next((value for each, value in body.items() if each.lower() in names and value is not None), None)


def resolve(link: str, *, context: object, requested: str, root: str) -> str:
    """A link as it is to be requested: absolute, from the root of the host, or relative to the service root.

    A relative one is relative to the context address of its answer; where that is missing, relative too, or names the host
    as only the service's own network knows it, to the request. One that is only a query belongs to the request's path.
    """
    if _ABSOLUTE.match(link):
        return link
    if link.startswith("?"):
        return requested.partition("?")[0] + link
    base = context if isinstance(context, str) and _same_host(context, root) else requested
    base = base.partition("#")[0].partition("?")[0]
    return base[: base.rfind("/") + 1] + link.removeprefix("./")


def is_foreign(link: str, root: str) -> bool:
    """Whether a link leads to another host than the service's: nothing is sent there."""
    return (link.startswith("//") or "://" in link.partition("?")[0]) and not _same_host(link, root)


def _same_host(address: str, root: str) -> bool:
    try:
        return origin_of(address) == origin_of(root)
    except ValueError:
        return False


def goes_by_number(link: str) -> bool:
    """Whether a link continues after so many rows: then a row that moves to the end makes it pass over another one."""
    return _BY_NUMBER.search(link) is not None


def comes_again(state: dict[str, Any], link: str) -> bool:
    """Whether a pass was at this link before. Notes the link in the pass's ``state``; an empty ``seen`` starts afresh.

    ``seen`` holds the last links, which finds short cycles at once. ``post`` = [an earlier link, links since, links until it
    is replaced] finds those of any length as Brent's algorithm does: the distance doubles each time, so that in the end it
    exceeds the cycle. The state stays small however long the pass is."""
    name = hashlib.sha256(link.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    post, since, until = (state["seen"] and state.get("post")) or ["", 0, REMEMBERED]
    if name == post or name in state["seen"]:
        return True
    state["seen"] = [*state["seen"], name][-REMEMBERED:]
    state["post"] = [post, since + 1, until] if since + 1 < until else [name, 0, 2 * until]
    return False


def key_in(address: object) -> str | None:
    """The key's text in the address of a record, ``accounts(…)``: quotes taken off; or the text itself where it is no
    address. None where it is no text."""
    if not isinstance(address, str) or not address:
        return None
    found = _IN_BRACKETS.search(address)
    if found is None:
        return address if "/" not in address and "(" not in address else None
    text = unquote(found[1])
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
