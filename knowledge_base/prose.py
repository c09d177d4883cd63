"""What does a reader see of markdown when only its words matter? The text that is searched and excerpted."""

import re

_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(r"^(?: {0,3}#{1,6}(?:\s.*)?|\s*\*\*Version\b.*)$", re.MULTILINE | re.IGNORECASE)
_TABLE_HEAD = re.compile(r"^\s*\|.*\n\s*\|[ \t:|-]+$", re.MULTILINE)
_ROW = re.compile(r"^\s*\|(.*?)\|?\s*$", re.MULTILINE)
_CELL_END = re.compile(r"\s*(?<!\\)\|\s*")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_BULLET = re.compile(r"^\s*[-*+]\s+", re.MULTILINE)


def prose(text: str) -> str:
    """The words of some lines of markdown in one line: no headings, fenced blocks, targets of links or table rules."""
    text = _LEFT_OUT.sub("", _FENCED.sub("", text))
    text = _ROW.sub(_sentence, _TABLE_HEAD.sub("", text))
    text = _LINK.sub(r"\1", _BULLET.sub("", text)).replace("**", "")
    return " ".join(text.split())


def fenced(text: str) -> str:
    """The fenced blocks of some lines of markdown: what `prose` leaves out for being no sentence."""
    return "\n".join(block[0] for block in _FENCED.finditer(text))


def _sentence(row: re.Match[str]) -> str:
    cells = (cell.replace("\\|", "|").strip() for cell in _CELL_END.split(row[1]))
    return f"{', '.join(filter(None, cells))};"
