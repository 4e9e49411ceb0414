"""What a help page says beyond a guide, as a shape."""

from __future__ import annotations

from dataclasses import dataclass

from synccore.guides.shape import Text


@dataclass(frozen=True, slots=True)
class Why:
    """Lazy texts in English with ``{param}`` in them.

    ``statement``: what to run in the app's database, with names in ``{param}``: they are quoted as identifiers when filled.
    """

    cause: Text
    who: Text = ""
    statement: str = ""
