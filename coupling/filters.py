"""Filters of the desk."""

from errors.search import InMessages
from synccore.filters import ProblemFilter


class DeskFilter(InMessages, ProblemFilter):
    """Coupled Data Synchronization Errors and Skipped Synch. Records; words are also looked for in messages."""
