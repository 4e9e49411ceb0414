"""A list as a CSV file: all that match, in the list's order, sent while it is read, whatever its size."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cached_property
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.functional import Promise

#: Rows that are in memory at one time.
CHUNK = 1_000
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BOM = "\ufeff"  # else spreadsheets read UTF-8 as another encoding


@dataclass(frozen=True)
class Export:
    """A column of the file. ``path`` leads from a presented row to the value, apart by dots; None on the way gives ""."""

    label: str | Promise
    path: str

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.path.split("."))

    def value(self, row: Any) -> Any:
        for name in self._names:
            if row is None:
                break
            row = getattr(row, name)
        return row


def cell(value: Any, zone: tzinfo | None = None) -> Any:
    """A value as it stands in the file, a moment in the zone (the current one). Text that a spreadsheet would run as a
    formula gets a quotation mark before it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value, zone).isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (int, float, date)) and not isinstance(value, bool):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


Present = Callable[[Sequence[Any]], Sequence[Any]]


def answer(
    columns: Sequence[Export], chunks: Iterator[Sequence[Any]], present: Present, name: str
) -> StreamingHttpResponse:
    """The file as an answer.

    Args:
        chunks: rows as they are read.
        present: makes of them what the columns' paths start from.
        name: of the file, without ending.
    """
    found = StreamingHttpResponse(
        _lines(columns, chunks, present, translation.get_language()), content_type="text/csv; charset=utf-8"
    )
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    found.headers["Content-Disposition"] = (
        f'attachment; filename="{safe}-{timezone.localdate():%Y-%m-%d}.csv"'
    )
    found.headers["Cache-Control"] = "no-store"
    found.headers["X-Accel-Buffering"] = "no"
    return found


def _lines(
    columns: Sequence[Export], chunks: Iterator[Sequence[Any]], present: Present, language: str | None
) -> Iterator[bytes]:
    """One piece per chunk, in the language of the request: it is over when these are read."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    with translation.override(language):
        head = [str(column.label) for column in columns]
    buffer.write(_BOM)
    writer.writerow(head)
    yield _taken(buffer)
    for rows in chunks:
        with translation.override(language):
            zone = timezone.get_current_timezone()
            writer.writerows([cell(column.value(row), zone) for column in columns] for row in present(rows))
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
