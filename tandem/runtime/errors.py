"""The one exception of the runtime: a sentence for the person who typed the command."""

from pathlib import Path


class RuntimeProblem(Exception):
    """A server or a folder is not as needed. `str()` is one plain sentence, and where a server spoke,
    the last lines of its own log."""

    @classmethod
    def with_log(cls, sentence: str, log: Path, lines: int = 12) -> "RuntimeProblem":
        """The sentence, followed by the end of the server's log file (if it wrote one)."""
        tail = last_lines(log, lines)
        return cls(f"{sentence}\n{tail}" if tail else sentence)


def last_lines(log: Path, lines: int = 12) -> str:
    """The last lines of a log file, indented; empty if there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
