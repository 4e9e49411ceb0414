"""What people call the two apps of a mapping and the fields it maps: sentences say *Main Phone*, not ``telephone1``.

Failures keep the names that the apps themselves use. They become captions here, when somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final, TypeAlias

#: Side → field → what people call it.
Captions: TypeAlias = Mapping[str, Mapping[str, str]]
#: Facts of a failure that name fields: one, or several.
_FIELDS: Final = ("field", "fields")


class Names(dict[str, str]):
    """What people call the two apps, by side, and their fields; ``captions`` is asked when a sentence names one."""

    def __init__(self, apps: Mapping[str, str], captions: Callable[[], Captions]) -> None:
        super().__init__(apps)
        self._read = captions

    @cached_property
    def captions(self) -> Captions:
        return self._read()

    def field(self, name: str, side: str = "", *, technical: bool = False) -> str:
        """The caption of a field, or its name where it has none.

        Args:
            side: where it is looked for first; the other side follows, as not every failure says whose field it names.
            technical: for whoever sets up: the name as well, where it says something else.
        """
        order = sorted(self.captions, key=lambda each: each != side)
        caption = next((found for each in order if (found := self.captions[each].get(name))), "")
        if technical and caption and caption.casefold() != name.casefold():
            return f"{caption} ({name})"
        return caption or name

    def captioned(
        self, facts: Mapping[str, Any], side: str = "", *, technical: bool = False
    ) -> dict[str, Any]:
        """The facts of a failure with captions for the fields they name. ``facts`` stay as they are."""

        def named(value: Any, where: str) -> Any:
            if isinstance(value, str):
                return self.field(value, where, technical=technical)
            if isinstance(value, list | tuple):
                return [named(each, where) for each in value]
            if isinstance(value, Mapping):  # a field in conflict, with its name in either app
                ends = {f"{each}_field": each for each in ("left", "right")}
                return {key: named(part, ends[key]) if key in ends else part for key, part in value.items()}
            return value

        return {
            name: named(value, side) if name in _FIELDS and value else value for name, value in facts.items()
        }
