"""Conversions of a field as lines of a form: what each asks for, and its parameters as text and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from synccore.engine.fit_lists import proposed_pairs
from synccore.engine.transforms import TRANSFORMS, Param
from synccore.shapes import FieldInfo, FieldType

from .lines import Line, Shape

#: Every parameter of every conversion: the answers one line may have.
PARAMS = tuple(dict.fromkeys(param.name for spec in TRANSFORMS.values() for param in spec.params))
STEP = Shape(("name", *PARAMS))

_CHOICES = {
    "reject": gettext_lazy("are refused"),
    "keep": gettext_lazy("stay as they are"),
    "empty": gettext_lazy("become empty"),
}
_HELP = {
    "pairs": gettext_lazy("One pair per line, for example: NL = Netherlands"),
    "list": gettext_lazy("One value per line"),
    "zone": gettext_lazy("For example Europe/Brussels"),
}
_NUMBERS = (FieldType.INTEGER, FieldType.DECIMAL, FieldType.FLOAT)


@dataclass(frozen=True, slots=True)
class Asked:
    """One parameter as the form asks for it."""

    name: str
    label: str
    value: str
    kind: str  # text, area, choice
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()


def names() -> list[tuple[str, str]]:
    """Every conversion with its caption."""
    return sorted(((name, _(spec.label)) for name, spec in TRANSFORMS.items()), key=lambda each: each[1])


def caption(name: str) -> str:
    return _(TRANSFORMS[name].label) if name in TRANSFORMS else name


def asked(line: Line, source: FieldInfo | None = None, destination: FieldInfo | None = None) -> list[Asked]:
    """What a line asks for. Pairs nobody has typed yet are proposed where both fields take the values of lists."""
    spec = TRANSFORMS.get(line["name"])
    if spec is None:
        return []
    proposed = "\n".join(f"{one} = {other}" for one, other in proposed_pairs(source, destination))
    return [
        _asked(param, line[param.name] or (proposed if param.kind == "pairs" else ""))
        for param in spec.params
    ]


def _asked(param: Param, value: str) -> Asked:
    kind = {"pairs": "area", "list": "area", "choice": "choice"}.get(param.kind, "text")
    choices = tuple((choice, str(_CHOICES.get(choice, choice))) for choice in param.choices)
    return Asked(
        param.name,
        _(param.label),
        value or str(param.default or ""),
        kind,
        str(_HELP.get(param.kind, "")),
        choices,
    )


def lines_of(steps: Any) -> list[Line]:
    """Stored conversions as lines; what is no conversion at all is left out."""
    found = []
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict) and isinstance(step.get("name"), str):
            params = step.get("params") if isinstance(step.get("params"), dict) else {}
            found.append(STEP.blank() | {"name": step["name"]} | _texts(params or {}))
    return found


def _texts(params: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, value in params.items():
        if name not in PARAMS:
            continue
        if name == "pairs" and isinstance(value, list):
            pairs = (pair for pair in value if isinstance(pair, list) and len(pair) == 2)
            texts[name] = "\n".join(f"{_text(a)} = {_text(b)}" for a, b in pairs)
        elif isinstance(value, list):
            texts[name] = "\n".join(_text(each) for each in value)
        else:
            texts[name] = _text(value)
    return texts


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def steps_of(
    lines: list[Line], source: FieldInfo | None, destination: FieldInfo | None
) -> tuple[list[dict[str, Any]], list[tuple[int, str, int]]]:
    """Lines as conversions are stored, and what could not be read: (line, parameter, line of its text).

    A number that is to become a field of numbers is stored as one. Whether a parameter makes sense is judged by
    ``engine.transforms``.
    """
    steps, unread = [], []
    for i, line in enumerate(lines):
        spec = TRANSFORMS.get(line["name"])
        params: dict[str, Any] = {}
        for param in spec.params if spec else ():
            text = line[param.name]
            if not param.required and text == "":
                continue
            if param.kind == "pairs":
                params[param.name], bad = _pairs(text, source, destination)
                unread += [(i, param.name, number) for number in bad]
            else:
                params[param.name] = _value(param, text)
        steps.append({"name": line["name"], "params": params})
    return steps, unread


def _value(param: Param, text: str) -> Any:
    if param.kind == "integer":
        plain = text.strip().removeprefix("-")
        return int(text) if plain.isascii() and plain.isdecimal() and len(plain) < 10 else text
    if param.kind == "list":
        return [line for line in text.splitlines() if line != ""]
    return text


def _pairs(
    text: str, source: FieldInfo | None, destination: FieldInfo | None
) -> tuple[list[list[Any]], list[int]]:
    pairs, bad = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        left, sign, right = line.partition("=")
        if not sign:
            bad.append(number)
            continue
        pairs.append([_typed(left.strip(), source), _typed(right.strip(), destination)])
    return pairs, bad


def _typed(text: str, info: FieldInfo | None) -> Any:
    plain = text.removeprefix("-")
    whole = plain.isascii() and plain.isdecimal() and len(plain) < 16 and str(int(plain)) == plain
    return int(text) if info is not None and info.type in _NUMBERS and whole else text
