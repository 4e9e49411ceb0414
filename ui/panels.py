"""What stands beside a list for one of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise

Text = str | Promise


@dataclass(frozen=True)
class Panel:
    """The row that is open.

    Args:
        title: its heading.
        template: what stands below it. Gets ``context`` and, besides the context processors, ``here``: the address of the
            list with this row open, to which the panel's forms post and come back.
        url: the row's own page; "" where there is none.
        notice: why the row is no longer in the list ("This problem has ended"), as a sentence; "" while it is.
    """

    title: Text
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    notice: Text = ""
