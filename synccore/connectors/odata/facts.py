"""The facts of a failure: those that the message told, and those that follow from what was being written."""

from __future__ import annotations

import re
from typing import Any, Final

from synccore.connectors.odata.bodies import Told
from synccore.connectors.odata.meanings import Meaning, Situation
from synccore.connectors.values import shown
from synccore.failures import Rejected, Scope
from synccore.shapes import Value

#: A record addressed by its key: ``accounts(…)`` at the end of a path.
_KEYED: Final = re.compile(r"\(([^()]{1,400})\)\Z")
_LENGTHS: Final = ("limit", "length")


def address(now: Situation) -> dict[str, Any]:
    return {"app": now.app, "host": now.host, "port": now.port, "user": now.user}


def key_in(path: str) -> str:
    """The key of the record that a request's path addresses; "" where it addresses none."""
    found = _KEYED.search(path.partition("?")[0].rstrip("/"))
    return found[1] if found else ""


def facts(meaning: Meaning, told: Told, now: Situation) -> dict[str, Any]:
    """The ``params`` of a failure. Values are text or numbers; what nobody told is left out or ""."""
    params: dict[str, Any] = address(now) if meaning.scope is Scope.CONNECTION else {"table": now.table}
    if meaning.code in ("missing_privilege", "record_privilege"):
        params["user"] = now.user
    params |= meaning.params
    for pattern in meaning.wordings:
        if match := pattern.search(told.message):
            params |= {name: value.strip() for name, value in match.groupdict().items() if value}
            break
    for name in _LENGTHS:
        if isinstance(params.get(name), str) and str(params[name]).isdigit() and len(params[name]) < 19:
            params[name] = int(params[name])
    if meaning.failure is Rejected:
        _about_values(meaning, params, told, now)
    return params


def _about_values(meaning: Meaning, params: dict[str, Any], told: Told, now: Situation) -> None:
    """Which field, and which value, where the app does not say and what was written does."""
    params.setdefault("field", "")
    written = now.values or {}
    if meaning.code == "value_too_long" and not params["field"]:
        params["field"] = _too_long(params, told, now)
    params["field"] = own_name(str(params["field"]), now)
    if params["field"] not in written:
        held = holder_of(str(params["value"]), now) if params.get("value") else ""
        params["field"] = held or own_name(told.target.rpartition("/")[2], now) or params["field"]
    value = written.get(params["field"])
    if params["field"] in written and not params.get("value"):
        params["value"] = shown(value) if value is not None else ""
    if meaning.code == "value_too_long" and not params.get("length"):
        info = now.infos.get(params["field"])
        params["length"] = len(value) if isinstance(value, str) else 0
        if not params.get("limit") and info is not None and info.length is not None:
            params["limit"] = info.length
    params.setdefault("value", "")
    if meaning.code in ("value_too_long", "number_out_of_range", "check_refused"):
        params.setdefault("limit", "")


def _too_long(params: dict[str, Any], told: Told, now: Situation) -> str:
    """The one field that can be meant: its value has the length that was named, else it stands in the message, else its
    value has more than its described length, or than the limit that was named. "" where none or several can."""
    texts = {name: value for name, value in (now.values or {}).items() if isinstance(value, str)}
    length, limit = params.get("length"), params.get("limit")
    room = {name: info.length for name, info in now.infos.items() if info.length is not None}
    for found in (
        [name for name, value in texts.items() if len(value) == length],
        [name for name in texts if re.search(rf"\b{re.escape(name)}\b", told.message)],
        [name for name, value in texts.items() if len(value) > room.get(name, len(value))],
        [name for name, value in texts.items() if isinstance(limit, int) and len(value) > limit],
    ):
        if len(found) == 1:
            return found[0]
    return ""


def own_name(field: str, now: Situation) -> str:
    """A field as the mapping names it: services say a lookup's target, a caption or another spelling."""
    known: dict[str, str] = {}
    for name in (*(now.values or {}), *now.infos):
        known.setdefault(_plain(name), name)
    for name, info in now.infos.items():
        if info.label:
            known.setdefault(_plain(info.label), name)
    plain = _plain(field.partition("@")[0])
    return known.get(plain) or known.get(plain.removesuffix("value")) or field


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def holder_of(value: str, now: Situation) -> str:
    """The one written field that holds this value (a bound record's id, a code); "" where none or several do."""
    wanted = value.strip("{}").casefold()
    found = [name for name, each in (now.values or {}).items() if each is not None and _text(each) == wanted]
    return found[0] if len(found) == 1 else ""


def _text(value: Value) -> str:
    return str(value).strip("{}").casefold()
