"""What does a reader see of markdown when only its words matter? The text that is searched and excerpted."""

import re

_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_LEFT_OUT = re.compile(
    r"^(?: {0,3}#{1,6}(?:[ \t].*)?|[ \t]*\*\*(?:Version\b|Asked as:).*"
    r"| {0,3}(?:(?:=+|-+)|<h[1-6]\b.*</h[1-6]>)[ \t]*)$",
    re.MULTILINE | re.IGNORECASE,
)
_ASKED = re.compile(r"^[ \t]*\*\*Asked as:\*\*(.*)$", re.MULTILINE | re.IGNORECASE)
_FRONT_MATTER = re.compile(
    r"\A---[ \t]*\n(?:[A-Za-z_][^\n:]*:.*\n|[ \t#-].*\n|\n)*?(?:---|\.\.\.)[ \t]*$", re.MULTILINE
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|center|code|dd|del|details|div|dl|dt|em|figcaption|figure|font|h[1-6]|hr|i|img|ins"
    r"|kbd|li|mark|ol|p|picture|pre|s|samp|small|source|span|strong|style|sub|summary|sup|table|tbody|td|tfoot|th|thead"
    r"|tr|u|ul|var|video)(?:[\s/][^<>]{0,2000})?>",
    re.IGNORECASE,
)
"""HTML as people write it into markdown; other words in angle brackets stand for something."""

_TABLE_HEAD = re.compile(r"^[ \t]*\|.*\n[ \t]*\|[ \t:|-]+$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*)$", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"!?\[([^\[\]]*+)\]\((?:[^()\s]++|\([^()\s]*+\))*+\)")
"""No part can be passed over twice, so a page of brackets that close nothing costs no more than its length."""

_BULLET = re.compile(r"^[ \t]*[-*+][ \t]+", re.MULTILINE)


def prose(text: str) -> str:
    """The words of some lines of markdown in one line.

    Left out are headings, metadata, fenced blocks, targets of links, HTML, and the lines that rule a table.
    """
    text = _LEFT_OUT.sub("", _FENCED.sub("", _FRONT_MATTER.sub("", text, count=1)))
    text = _TAG.sub("", _COMMENT.sub("", text)) if "<" in text else text
    text = _ROW.sub(_sentence, _TABLE_HEAD.sub("", text))
    text = _BULLET.sub("", text).replace("**", "")
    text = _LINK.sub(r"\1", text) if "](" in text else text
    return " ".join(text.split())


def asked(text: str) -> list[str]:
    """The questions that some lines of markdown say they answer: `**Asked as:** one; another`."""
    told = _ASKED.findall(_FENCED.sub("", text))
    return [question for line in told for piece in line.split(";") if (question := piece.strip())]


def fenced(text: str) -> str:
    """The fenced blocks of some lines of markdown: what `prose` leaves out for being no sentence."""
    return "\n".join(block[0] for block in _FENCED.finditer(text))


def _sentence(row: re.Match[str]) -> str:
    cells = (cell.replace("\\|", "|").strip() for cell in _CELL_END.split(row[1]))
    return f"{', '.join(filter(None, cells))};"
