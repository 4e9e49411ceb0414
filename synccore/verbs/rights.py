"""Rights are checked when a person presses and again when the job runs."""

from __future__ import annotations

from synccore.models import SynchJob


def still_allowed(job: SynchJob, permission: str) -> bool:
    """Whether whoever asked for the job may still do it. Jobs of schedules and commands are Tandem's own; a job whose person
    was deleted between the press and the run is nobody's."""
    if job.requested_by is None:
        return job.origin != SynchJob.Origin.PERSON
    return job.requested_by.is_active and job.requested_by.has_perm(permission)
