"""Names with wildcards: % stands for any characters, [_] and [%] for these two themselves."""

from __future__ import annotations


def compiled(pattern: str) -> list[str]:
    """The texts between its wildcards."""
    parts, at = [""], 0
    while at < len(pattern):
        if pattern[at : at + 3] in ("[_]", "[%]"):
            parts[-1] += pattern[at + 1]
            at += 3
        elif pattern[at] == "%":
            parts.append("")
            at += 1
        else:
            parts[-1] += pattern[at]
            at += 1
    return parts


def fits(parts: list[str], name: str) -> bool:
    """In time that is the product of their lengths, whatever the pattern is."""
    if len(parts) == 1:
        return name == parts[0]
    first, *middle, last = parts
    if not name.startswith(first) or not name.endswith(last) or len(first) + len(last) > len(name):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
