"""How a long command shows that it goes on: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any, Final, TextIO

from django.utils.translation import gettext as _

#: Seconds between two lines where there is no terminal.
EVERY: Final = 10.0


class Progress:
    """Counts records of one job. ``total`` is None where nobody knows how many there will be."""

    def __init__(self, title: str, stream: TextIO, *, total: int | None = None) -> None:
        self.title, self.stream, self._n, self._said = title, stream, 0, time.monotonic()
        self._bar: Any = None
        if stream.isatty():
            try:
                from tqdm import tqdm
            except ImportError:  # not in the production image
                return
            unit = " " + _("records")
            self._bar = tqdm(desc=title, total=total, unit=unit, file=stream, leave=False, dynamic_ncols=True)

    def to(self, n: int) -> None:
        """So many records were looked at by now."""
        more, self._n = n - self._n, n
        if self._bar is not None:
            self._bar.update(more)
        elif more and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            self.stream.write(_("%(title)s: %(n)d records so far") % {"title": self.title, "n": n} + "\n")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
