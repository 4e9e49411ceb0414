"""The memory of Tandem (ENGINE §1). One module per subject; everything is imported from here."""

from .build import brakes_of, rules_of
from .catalogue import AppTable
from .checks import SetupCheck
from .connection import Connection, Instance, Integration
from .counted import RecordCount
from .coupling import Coupling
from .instance import guard_instance, instance_matches
from .job import JobItem, JobLog, JobQueueEntry, SynchJob
from .journal import JobSeal, Journal, JournalSeal
from .mapping import FieldMapping, MappingGrant, TableMapping
from .match import MatchChoice, MatchCriterion, MatchRecord, MatchSetup
from .people import HelpRequest, OwnerCode
from .planned import PlannedRecord
from .problem import Bucket, CallStack, DeletedEntry, Problem, Stat, SynchJobError
from .seals import close_job, page_digest, seal_page

__all__ = [
    "AppTable",
    "Bucket",
    "CallStack",
    "Connection",
    "Coupling",
    "DeletedEntry",
    "FieldMapping",
    "HelpRequest",
    "Instance",
    "Integration",
    "JobItem",
    "JobLog",
    "JobQueueEntry",
    "JobSeal",
    "Journal",
    "JournalSeal",
    "MappingGrant",
    "MatchChoice",
    "MatchCriterion",
    "MatchRecord",
    "MatchSetup",
    "OwnerCode",
    "PlannedRecord",
    "Problem",
    "RecordCount",
    "SetupCheck",
    "Stat",
    "SynchJob",
    "SynchJobError",
    "TableMapping",
    "brakes_of",
    "close_job",
    "guard_instance",
    "instance_matches",
    "page_digest",
    "rules_of",
    "seal_page",
]
