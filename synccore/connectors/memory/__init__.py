"""The reference connector and the app it reads and writes, both in this process. Not for production data.

Tests of the engine drive whole synchronisations with it, through every kind of trouble (:class:`Faults`).
"""

from synccore.connectors.memory.app import Faults, MemoryApp, MemoryTable
from synccore.connectors.memory.connector import MemoryConnector

__all__ = ["Faults", "MemoryApp", "MemoryConnector", "MemoryTable"]
