"""Transformations of a field mapping: named steps with JSON parameters, run before the conversion of types.

They are the only place where text, digits or a zone may be dropped, because a person asked for it. A value
that a step cannot work on is ``Rejected``; empty stays empty, except where ``default`` or a pair of ``map``
fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from synccore.engine.canonical import canon, canon_pair_info
from synccore.engine.convert import converter
from synccore.engine.rules import FieldRule, Transform
from synccore.engine.steps import (
    Function,
    Params,
    as_it_is,
    boolean_text,
    cut,
    date_part,
    default_value,
    digits_only,
    key_of,
    map_values,
    null_if,
    on_text,
    prefix,
    replace,
    round_half_up,
    strip_prefix,
    zone,
)
from synccore.failures import Failure, Misconfigured, Rejected
from synccore.shapes import Side, Value


def gettext_noop(text: str) -> str:
    """Marks a label for extraction; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a transformation: ``kind`` is text, any_text (may be ""), integer, pairs, list,
    value, choice or zone."""

    name: str
    kind: str
    label: str
    required: bool = True
    choices: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """How a transformation works (``function(value, params, field)``) and how the set-up page asks for it.

    ``loses``: it may map different values to the same one, so a round trip does not bring them back.
    ``of_reference``: it says how a reference is translated, and makes sense nowhere else.
    """

    function: Function
    params: tuple[Param, ...]
    label: str
    loses: bool = False
    of_reference: bool = False


@dataclass(frozen=True, slots=True)
class Failing:
    """A sampled value that does not survive the round trip: what came back, or why it did not go through."""

    value: Value
    returned: Value = None
    failure: Failure | None = None


_TEXT: Final = Param("text", "text", gettext_noop("Text"))

#: name → (function, parameters, label). The names are stored; never rename one.
TRANSFORMS: Final[dict[str, TransformSpec]] = {
    "trim": TransformSpec(on_text(lambda t, p: t.strip()), (), gettext_noop("Remove spaces around"), True),
    "upper": TransformSpec(on_text(lambda t, p: t.upper()), (), gettext_noop("Capital letters"), True),
    "lower": TransformSpec(on_text(lambda t, p: t.lower()), (), gettext_noop("Small letters"), True),
    "cut": TransformSpec(
        on_text(cut),
        (Param("length", "integer", gettext_noop("Length")),),
        gettext_noop("Cut to length"),
        True,
    ),
    "round": TransformSpec(
        round_half_up, (Param("scale", "integer", gettext_noop("Decimals")),), gettext_noop("Round"), True
    ),
    "map": TransformSpec(
        map_values,
        (
            Param("pairs", "pairs", gettext_noop("Values")),
            Param(
                "unmapped",
                "choice",
                gettext_noop("Other values"),
                required=False,
                choices=("reject", "keep", "empty"),
                default="reject",
            ),
        ),
        gettext_noop("Replace values by a list"),
    ),
    "prefix": TransformSpec(on_text(prefix), (_TEXT,), gettext_noop("Put text in front")),
    "strip_prefix": TransformSpec(
        on_text(strip_prefix), (_TEXT,), gettext_noop("Remove text in front"), True
    ),
    "replace": TransformSpec(
        on_text(replace),
        (
            Param("old", "text", gettext_noop("Text")),
            Param("new", "text", gettext_noop("Replacement"), required=False, default=""),
        ),
        gettext_noop("Replace text"),
        True,
    ),
    "digits_only": TransformSpec(on_text(digits_only), (), gettext_noop("Keep digits only"), True),
    "zone": TransformSpec(
        zone,
        (Param("zone", "zone", gettext_noop("Time zone")),),
        gettext_noop("Time zone of the clock reading"),
    ),
    "date_part": TransformSpec(date_part, (), gettext_noop("Date only"), True),
    "null_if": TransformSpec(
        null_if, (Param("values", "list", gettext_noop("Values")),), gettext_noop("Treat as empty"), True
    ),
    "default": TransformSpec(
        default_value,
        (Param("value", "value", gettext_noop("Value")),),
        gettext_noop("Value when empty"),
        True,
    ),
    "boolean_text": TransformSpec(
        boolean_text,
        (Param("true", "any_text", gettext_noop("Yes")), Param("false", "any_text", gettext_noop("No"))),
        gettext_noop("Yes and no as text"),
    ),
    "by_number": TransformSpec(
        as_it_is, (), gettext_noop("It holds the number of the record, not its id"), of_reference=True
    ),
    "empty_means": TransformSpec(
        as_it_is,
        (
            Param("field", "text", gettext_noop("Field")),
            Param("value", "text", gettext_noop("Value")),
        ),
        gettext_noop("Empty stands for one record"),
        of_reference=True,
    ),
}


def apply(transforms: Sequence[Transform], value: Value, *, field: str = "") -> Value:
    """``value`` after all steps, in order; ``field`` is named in failures.

    Raises ``Rejected`` (``invalid_value``, ``option_unmapped {field, value, options}``), and
    ``Misconfigured("bad_transformation")`` for a step or parameter that set-up would have refused.
    """
    run = compile_transforms(transforms, field)
    return run(value) if run else value


def compile_transforms(transforms: Sequence[Transform], field: str) -> Callable[[Value], Value] | None:
    """All steps as one function, None where there is no step. Raises
    ``Misconfigured("bad_transformation")``."""
    if not transforms:
        return None
    if errors := validate(transforms, field):
        raise errors[0]
    steps = [partial(_step, TRANSFORMS[each.name].function, each.params, field) for each in transforms]

    def run(value: Value) -> Value:
        for step in steps:
            value = step(value)
        return value

    return run


def _step(function: Function, params: Params, field: str, value: Value) -> Value:
    return function(value, params, field)


def validate(transforms: Sequence[Transform], field: str = "") -> list[Misconfigured]:
    """What is wrong with these steps, for set-up; empty where nothing is.

    Each is ``bad_transformation {field, transform, param, reason}``; reasons: unknown, missing, not_a_number,
    negative, not_text, not_a_list, bad_pairs, duplicate, not_a_choice, unknown_zone, empty, unknown_param.
    """
    return [
        Misconfigured(
            "bad_transformation", {"field": field, "transform": each.name, "param": param, "reason": reason}
        )
        for each in transforms
        for param, reason in _errors(each)
    ]


def _errors(transform: Transform) -> Iterable[tuple[str, str]]:
    spec = TRANSFORMS.get(transform.name)
    if spec is None:
        yield "", "unknown"
        return
    known = {param.name for param in spec.params}
    for name in transform.params:
        if name not in known:
            yield name, "unknown_param"
    for param in spec.params:
        if param.name not in transform.params:
            if param.required:
                yield param.name, "missing"
        elif reason := _bad_param(param, transform.params[param.name]):
            yield param.name, reason
    if transform.name == "boolean_text" and transform.params.get("true") == transform.params.get("false"):
        yield "false", "duplicate"


def _bad_param(param: Param, value: Any) -> str:
    match param.kind:
        case "integer":
            if isinstance(value, bool) or not isinstance(value, int):
                return "not_a_number"
            return "negative" if value < 0 else ""
        case "text":
            if not isinstance(value, str):
                return "not_text"
            return "empty" if param.required and not value else ""
        case "any_text":
            return "" if isinstance(value, str) else "not_text"
        case "choice":
            return "" if value in param.choices else "not_a_choice"
        case "value":
            return "" if value is None or isinstance(value, str | int | float) else "not_text"
        case "list":
            return "" if isinstance(value, list | tuple) and value else "not_a_list"
        case "pairs":
            return _bad_pairs(value)
        case "zone":
            return _bad_zone(value)
    return ""


def _bad_pairs(value: Any) -> str:
    if not isinstance(value, list | tuple) or not value:
        return "not_a_list"
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        return "bad_pairs"
    sources = [key_of(pair[0]) for pair in value]
    return "duplicate" if len(set(sources)) < len(sources) else ""


def _bad_zone(value: Any) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, TypeError, LookupError):
        return "unknown_zone"
    return ""


def round_trips(rule: FieldRule, samples: Iterable[Value], *, side: Side = Side.LEFT) -> list[Failing]:
    """The samples (values of ``side``) that come back different from the other side, or do not get there at
    all.

    A rule without fields on both sides has nothing to come back from. References are not followed here.
    """
    if rule.left_info is None or rule.right_info is None:
        return []
    infos = dict(zip((Side.LEFT, Side.RIGHT), canon_pair_info(rule.left_info, rule.right_info), strict=True))
    here, there = infos[side], infos[side.other]
    assert here is not None and there is not None
    go = compile_transforms(rule.transforms(side.other), there.name)
    come = compile_transforms(rule.transforms(side), here.name)
    to_there, to_here = converter(None if go else here, there), converter(None if come else there, here)
    failing = []
    for sample in samples:
        try:
            before = canon(sample, here, keep_empty=rule.keep_empty)
            away = to_there(go(sample) if go else sample)
            returned = to_here(come(away) if come else away)
            if canon(returned, here, keep_empty=rule.keep_empty) != before:
                failing.append(Failing(sample, returned))
        except Rejected as failure:
            failing.append(Failing(sample, failure=failure))
    return failing
