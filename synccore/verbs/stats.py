"""Counts as deltas: what a page changed in the numbers of problems and entries."""

from __future__ import annotations

from collections import Counter
from datetime import date

from synccore.models import Bucket, Connection, Problem, Stat, TableMapping


class Tally:
    """Collects deltas of a page and stores them as few rows; keeps the ids of buckets it has met."""

    def __init__(self) -> None:
        self._deltas: Counter[tuple[int, str, str, bool]] = Counter()
        self._buckets: dict[tuple[int | None, int | None, str, str, str], int] = {}

    def bucket(
        self,
        *,
        mapping: TableMapping | None,
        connection: Connection | None,
        destination: str,
        kind: str,
        code: str,
    ) -> int:
        """Id of the bucket, made if it does not occur yet (safe beside other workers)."""
        mapping_id = mapping.pk if mapping else None
        connection_id = connection.pk if connection else None
        key = (mapping_id, connection_id, destination, kind, code)
        if key not in self._buckets:
            row, _made = Bucket.objects.get_or_create(
                mapping=mapping, connection=connection, destination=destination, kind=kind, code=code
            )
            self._buckets[key] = row.pk
        return self._buckets[key]

    def entry(self, bucket: int, fingerprint: str, of_record: bool, n: int = 1) -> None:
        self._deltas[(bucket, fingerprint, Stat.ENTRY, of_record)] += n

    def problem(self, problem: Problem, n: int) -> None:
        """One problem more (or less) in its present bucket and state."""
        key = (problem.bucket_id, problem.fingerprint, str(problem.state), problem.coupling_id is not None)
        self._deltas[key] += n

    def store(self, day: date) -> None:
        Stat.objects.bulk_create(
            Stat(day=day, bucket_id=bucket, fingerprint=fingerprint, state=state, of_record=of_record, n=n)
            for (bucket, fingerprint, state, of_record), n in self._deltas.items()
            if n
        )
        self._deltas.clear()
