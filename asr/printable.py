"""Names of files as text."""

from __future__ import annotations


def printable(path: str) -> str:
    """`path` for messages and JSON: bytes that are no UTF-8, and control characters, as escapes."""
    readable = path.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in readable)
