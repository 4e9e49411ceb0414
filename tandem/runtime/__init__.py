"""PostgreSQL and Valkey as ordinary files of the clone: started, reused, stopped by us.

A new user has only Python; these are the real servers, from installed wheels. Nothing here imports
Django: the servers must run before Django reads its settings.
"""

from tandem.runtime.errors import RuntimeProblem
from tandem.runtime.services import Services, attach

__all__ = ["RuntimeProblem", "Services", "attach"]
