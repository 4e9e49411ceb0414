"""What an answer says, read with suspicion: any status, any body.

A service answers with JSON; what stands in between (a gateway, a proxy, a sign-in page) answers with HTML, XML or text, and
anything may be cut short, huge, of the wrong types or not UTF-8. Nothing here raises.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape, unescape
from typing import Any, Final

#: So much of a body is looked at; an error's own words are never longer.
LOOKED_AT: Final = 256 * 1024
#: So many characters of what an app said are kept. Longer ones are no message.
KEPT: Final = 20_000
#: So deep, and so many, are the errors inside an error that are told.
DEEP: Final = 8
INNER: Final = 20

_HEX: Final = re.compile(r"0x[0-9a-f]{1,8}\Z", re.IGNORECASE)
_SIGNED: Final = re.compile(r"-?[0-9]{5,10}\Z")
_UNSTORABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MARKUP: Final = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]{1,4000}>")
_BLANKS: Final = re.compile(r"[^\S\n]*\n\s*")
_GUID: Final = r"\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?"
#: What Business Central adds to every message, for its support.
_CORRELATION: Final = re.compile(rf"\s{{0,10}}Correlation ?Id:\s*(?P<id>{_GUID})\.?", re.IGNORECASE)
#: What stands where the JSON was cut short, or is none.
_MEMBER: Final = {
    name: re.compile(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.){{0,{KEPT}}})', re.DOTALL)
    for name in ("code", "message")
}
_XML: Final = {
    name: re.compile(rf"(?is)<(?:\w+:)?{name}\b[^<>]*>([^<]{{0,{KEPT}}})") for name in ("code", "message")
}
#: Credentials that nobody told us of: a token or a secret that is quoted back.
_TOKENS: Final = (
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), "***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w+/=.~-]{8,}"), r"\1 ***"),
    (
        re.compile(
            r"(?i)\b(client_secret|client_assertion|access_token|refresh_token|id_token|assertion|password"
            r"|api[_-]?key|sig)(\"?\s*[:=]\s*\"?)[^\s\"&,;}]{3,}"
        ),
        r"\1\2***",
    ),
)
_IDS: Final = (
    "x-ms-service-request-id",
    "x-ms-request-id",
    "req_id",
    "request-id",
    "x-request-id",
    "ms-correlation-x",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer said, secrets removed.

    ``code``: the service's own, numbers as ``0x80040220``. ``message``: whole, with what stood inside it.
    ``form``: json, html, xml, text or empty. ``trace``: ids for the app's support. ``facts``: annotations by name.
    """

    status: int
    form: str = "empty"
    code: str = ""
    message: str = ""
    target: str = ""
    trace: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_the_services(self) -> bool:
        """Whether the service itself spoke, and not something in front of it."""
        return self.form == "json" and bool(self.code or self.message)


def normal_code(code: object) -> str:
    """A code as our tables spell it: hex numbers of eight digits in lower case (signed decimals too), words as they are."""
    if isinstance(code, bool) or code is None:
        return ""
    text = str(code).strip()
    try:
        if _HEX.match(text):
            return f"0x{int(text, 16):08x}" if int(text, 16) else ""
        if _SIGNED.match(text):
            return f"0x{int(text) & 0xFFFFFFFF:08x}"
    except ValueError:
        pass
    return "" if text == "0" else text[:200]


def told(status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str] = ()) -> Told:
    """What an answer with this status, these headers (lower-case names) and this body says."""
    text = body[:LOOKED_AT].decode(_charset(headers), "replace").lstrip("\ufeff \t\r\n")
    kind = str(headers.get("content-type") or "").lower()
    form, found = "text", {"message": text}
    if not text:
        form, found = "empty", {}
    elif "json" in kind or text[0] in "{[":
        form, found = _json(text)
    elif text[0] == "<":
        form, found = _markup(text)
    message = without_secrets(found.pop("message", ""), secrets)
    ids = [str(headers[name]) for name in _IDS if headers.get(name)]
    ids += [match["id"].strip("{}") for match in _CORRELATION.finditer(message)]
    message = _CORRELATION.sub("", message).strip()
    if len(message) > KEPT:
        message = message[:KEPT] + " …"
    return Told(
        status,
        form,
        code=without_secrets(normal_code(found.pop("code", "")), secrets),
        message=message,
        target=without_secrets(found.pop("target", ""), secrets)[:500],
        trace=tuple(dict.fromkeys(without_secrets(each, secrets)[:200] for each in ids)),
        facts={name: without_secrets(value, secrets)[:KEPT] for name, value in found.items()},
    )


def without_secrets(text: str, secrets: Sequence[str]) -> str:
    """``text`` that can be stored and shown: without the secrets, in whatever way they are written, and without tokens."""
    text = _UNSTORABLE.sub("�", text)
    for secret in sorted(filter(None, set(secrets)), key=len, reverse=True):
        text = _written(secret).sub("***", text)
    for pattern, instead in _TOKENS:
        text = pattern.sub(instead, text)
    return text


@lru_cache(64)
def _written(secret: str) -> re.Pattern[str]:
    """A secret as it may be quoted back: plain, in an address, in JSON or HTML, each of its characters in its own way, or as
    a whole in base 64."""
    if len(secret) < 4:
        return re.compile(re.escape(_UNSTORABLE.sub("�", secret)))
    raw = secret.encode("utf-8", "surrogatepass")
    packed = (encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode))
    spelled = "".join(each if each.isascii() and each.isalnum() else _spelled(each) for each in secret)
    return re.compile("|".join([spelled, *(re.escape(each) + "=*" for each in packed)]))


def _spelled(character: str) -> str:
    """A pattern for all the ways in which a character is written that some texts have to escape."""
    ways = {character, _UNSTORABLE.sub("�", character), escape(character), json.dumps(character)[1:-1]}
    ways |= {"+"} if character == " " else {f"\\{character}"}
    octets = "".join(rf"%(?:25)?{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    units = character.encode("utf-16-be", "surrogatepass")
    pairs = "".join(rf"\\u{units[at] * 256 + units[at + 1]:04x}" for at in range(0, len(units), 2))
    number = rf"&\#(?:0*{ord(character)}|x0*{ord(character):x});"
    return "(?:" + "|".join([*map(re.escape, sorted(ways)), f"(?i:{octets}|{pairs}|{number})"]) + ")"


def _charset(headers: Mapping[str, str]) -> str:
    found = re.search(
        r"charset=\"?(utf-?16(?:le|be)?|iso-8859-1|windows-1252)", str(headers.get("content-type")).lower()
    )
    return found[1] if found else "utf-8"


def _json(text: str) -> tuple[str, dict[str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        parts = {
            name: _unquoted(match[1]) for name, pattern in _MEMBER.items() if (match := pattern.search(text))
        }
        return ("json" if parts else "text"), parts or {"message": text}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        return "text", {"message": text}
    error = _member(found, "error")
    if error is None:  # Azure's gateways, OData 2, ASP.NET
        error = found.get("odata.error", found)
    if isinstance(error, str):  # the token endpoint
        described = found.get("error_description") or found.get("message") or ""
        parts = {"code": error, "message": _word(described) or error}
        numbers = found.get("error_codes")
        if isinstance(numbers, list):
            parts["error_codes"] = " ".join(filter(None, map(_word, numbers[:INNER])))
        return "json", parts
    if not isinstance(error, dict):
        return "text", {"message": text}
    parts = {"code": _word(_member(error, "code"))}
    parts["message"] = "\n".join(dict.fromkeys(filter(None, _messages(error)))) or (
        "" if parts["code"] else text
    )
    parts["target"] = _word(_member(error, "target"))
    for name, value in error.items():
        if name.startswith("@") and isinstance(value, str | int | float):
            parts[name.rpartition(".")[2] or name] = _word(value)
    return "json", parts


def _messages(error: Mapping[str, Any], depth: int = 0) -> list[str]:
    """The message, then those of the details and of the inner errors, the outer first."""
    message = _member(error, "message")
    if isinstance(message, dict):  # OData 2 and 3: {"lang": …, "value": …}
        message = message.get("value")
    found = [_word(message)]
    if not found[0] and isinstance(error.get("detail"), str):  # RFC 9457
        found = [_word(error.get("title")), _word(error["detail"])]
    found += [
        _word(value) for name, value in error.items() if name.endswith(("InnerError.Message", ".TraceText"))
    ]
    if depth < DEEP:
        details = _member(error, "details")
        inner = details[:INNER] if isinstance(details, list) else []
        inner = [*inner, _member(error, "innererror"), _member(error, "internalexception")]
        for each in inner:
            if isinstance(each, dict):
                found += _messages(each, depth + 1)
    return found


def _member(error: Mapping[str, Any], name: str) -> Any:
    """A member whatever its case."""
    if name in error:
        return error[name]
    return next((value for key, value in error.items() if str(key).lower() == name), None)


def _word(value: object) -> str:
    """Text, or a number as text; "" for whatever else stands where text should."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        return str(value)
    except ValueError:  # a number of more digits than Python writes
        return ""


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _markup(text: str) -> tuple[str, dict[str, str]]:
    text = text[:KEPT]
    parts = {
        name: unescape(match[1]).strip() for name, pattern in _XML.items() if (match := pattern.search(text))
    }
    is_page = re.match(r"(?is)<!doctype html|<html", text) is not None
    if parts.get("code") and not is_page:
        return "xml", parts
    words = _BLANKS.sub("\n", unescape(_MARKUP.sub("\n", text))).strip()
    words = "\n".join(dict.fromkeys(words.split("\n")))  # the title is often said again as a heading
    return ("html" if is_page else "xml"), {"message": words}
