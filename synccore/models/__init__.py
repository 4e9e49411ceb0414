"""The memory of Tandem (ENGINE §1). One module per subject; everything is imported from here."""

from .connection import Connection, Instance, Integration
from .coupling import Coupling
from .job import JobItem, JobLog, JobQueueEntry, SynchJob
from .journal import JobSeal, Journal, JournalSeal
from .mapping import FieldMapping, MappingGrant, TableMapping
from .problem import Bucket, CallStack, DeletedEntry, Problem, Stat, SynchJobError

__all__ = [
    "Bucket",
    "CallStack",
    "Connection",
    "Coupling",
    "DeletedEntry",
    "FieldMapping",
    "Instance",
    "Integration",
    "JobItem",
    "JobLog",
    "JobQueueEntry",
    "JobSeal",
    "Journal",
    "JournalSeal",
    "MappingGrant",
    "Problem",
    "Stat",
    "SynchJob",
    "SynchJobError",
    "TableMapping",
]
