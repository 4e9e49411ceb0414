"""What the guide of a set-up check is, and how its steps are filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synccore.guides.shape import Text, fill, fill_said


@dataclass(frozen=True, slots=True)
class CheckGuide:
    """Lazy texts in English with ``{param}`` in them. ``warned`` is "" where a check only passes or fails."""

    title: Text
    passed: Text
    failed: Text
    unknown: Text
    who: Text
    warned: Text = ""
    steps: tuple[Text, ...] = ()
    #: In the place of ``steps``, where everything they name was sent.
    told_steps: tuple[Text, ...] = ()
    #: Where the app never tells: how a person finds it out.
    by_hand: tuple[Text, ...] = ()


def filled_check_steps(guide: CheckGuide, values: Mapping[str, Any]) -> tuple[str, ...]:
    """What to do, in the reader's language."""
    told = fill_said(guide.told_steps, values)
    return tuple(told) or tuple(fill(step, values) for step in guide.steps)
