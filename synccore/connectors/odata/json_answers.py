"""Answers that are lists in JSON, read defensively: what is not what the protocol says becomes a Failure."""

from __future__ import annotations

from typing import Any

from synccore.connectors.odata.client import Answer, Client
from synccore.connectors.odata.errors import BadAnswer, translate


def rows_of(client: Client, answer: Answer, table: str = "") -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects under ``value``, and the whole answer. Raises the Failure that stands for an answer without them."""
    try:
        said = answer.json()
        found = said.get("value")
        if not isinstance(found, list):
            raise BadAnswer(answer, "no list")
    except BadAnswer:
        raise translate(answer, client.situation("read", table), client.profile) from None
    return [row for row in found if isinstance(row, dict)], said


def object_of(client: Client, answer: Answer, table: str = "") -> dict[str, Any]:
    """The one object that an answer is. Raises the Failure that stands for an answer which is none."""
    try:
        return answer.json()
    except BadAnswer:
        raise translate(answer, client.situation("read", table), client.profile) from None
