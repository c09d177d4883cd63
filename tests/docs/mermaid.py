"""What does a Mermaid picture say? Nodes and arrows of the four kinds of pictures that our documents use.

Only the part of the language that the documents use is read; a line that is not understood is an error, so that
nothing stands in a picture which no test has compared.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Arrow:
    """From where to where, and what is written on it; `back` where it is drawn dotted."""

    start: str
    end: str
    label: str = ""
    dotted: bool = False


@dataclass(frozen=True)
class Picture:
    """What a picture shows.

    Attributes:
        kind: The word that the picture begins with.
        nodes: Id to what is written on it, in order.
        arrows: In order.
        notes: What stands in notes, in order.
        attributes: Of an entity diagram: entity to its (type, name, key) lines.
    """

    kind: str
    nodes: dict[str, str]
    arrows: tuple[Arrow, ...]
    notes: tuple[str, ...] = ()
    attributes: dict[str, tuple[tuple[str, str, str], ...]] | None = None


class NotUnderstood(ValueError):
    """A line of a picture that the reader does not know."""


def read(text: str) -> Picture:
    """A picture of one of the four kinds; raises NotUnderstood."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("%%")]
    if not lines:
        raise NotUnderstood("the picture is empty")
    kind = lines[0].split()[0]
    readers = {
        "stateDiagram-v2": _states,
        "flowchart": _flow,
        "sequenceDiagram": _sequence,
        "erDiagram": _entities,
    }
    if kind not in readers:
        raise NotUnderstood(f"{kind} is no picture that is read here")
    return readers[kind](lines[1:])


_STATE_ARROW = re.compile(r"(\[\*\]|\w+) --> (\[\*\]|\w+)(?:\s*:\s*(.+))?")
_STATE_NAME = re.compile(r"(\w+) : (.+)")


def _states(lines: list[str]) -> Picture:
    arrows = []
    told = {}
    for line in lines:
        if line.startswith("direction "):
            continue
        if named := _STATE_NAME.fullmatch(line):
            told[named[1]] = named[2]
            continue
        found = _STATE_ARROW.fullmatch(line)
        if not found:
            raise NotUnderstood(line)
        arrows.append(Arrow(found[1], found[2], found[3] or ""))
    names = dict.fromkeys(name for arrow in arrows for name in (arrow.start, arrow.end) if name != "[*]")
    return Picture("stateDiagram-v2", {name: told.get(name, name) for name in names}, tuple(arrows))


_NODE = r'(\w+)(?:\["([^"]+)"\]|\[\("([^"]+)"\)\]|\{"([^"]+)"\}|\(\["([^"]+)"\]\))?'
_FLOW_ARROW = re.compile(rf'{_NODE} (-->|-\.->)(?:\|"?([^|"]+)"?\|)? {_NODE}')
_FLOW_NODE = re.compile(_NODE)


def _flow(lines: list[str]) -> Picture:
    nodes: dict[str, str] = {}
    arrows = []
    for line in lines:
        if line.startswith(("subgraph ", "direction ")) or line == "end":
            continue
        if found := _FLOW_ARROW.fullmatch(line):
            parts = found.groups()
            for name, *texts in (parts[:5], parts[7:]):
                _name(nodes, str(name), next(filter(None, texts), ""))
            arrows.append(Arrow(str(parts[0]), str(parts[7]), parts[6] or "", parts[5] == "-.->"))
        elif found := _FLOW_NODE.fullmatch(line):
            _name(nodes, found[1], next(filter(None, found.groups()[1:]), ""))
        else:
            raise NotUnderstood(line)
    return Picture("flowchart", nodes, tuple(arrows))


def _name(nodes: dict[str, str], name: str, text: str) -> None:
    if text or name not in nodes:
        nodes[name] = text or name


_PARTICIPANT = re.compile(r"(?:participant|actor) (\w+)(?: as (.+))?")
_MESSAGE = re.compile(r"(\w+)(->>|-->>)(\w+): (.+)")
_NOTE = re.compile(r"Note (?:over|right of|left of) ([\w,]+): (.+)")


def _sequence(lines: list[str]) -> Picture:
    nodes: dict[str, str] = {}
    arrows, notes = [], []
    for line in lines:
        if found := _PARTICIPANT.fullmatch(line):
            nodes[found[1]] = found[2] or found[1]
        elif found := _MESSAGE.fullmatch(line):
            arrows.append(Arrow(found[1], found[3], found[4], found[2] == "-->>"))
        elif found := _NOTE.fullmatch(line):
            notes.append(f"{found[1]}: {found[2]}")
        else:
            raise NotUnderstood(line)
    unknown = {name for arrow in arrows for name in (arrow.start, arrow.end)} - set(nodes)
    if unknown:
        raise NotUnderstood(f"{', '.join(sorted(unknown))} takes part without being introduced")
    return Picture("sequenceDiagram", nodes, tuple(arrows), tuple(notes))


_RELATION = re.compile(r'(\w+) (\|\||\}o|\}\||o\||\|o)--(\|\||o\{|\|\{|o\||\|o) (\w+) : "?([^"]+)"?')
_ATTRIBUTE = re.compile(r"(\w+) (\w+)(?: (PK|FK|UK|PK, FK))?")


def _entities(lines: list[str]) -> Picture:
    nodes: dict[str, str] = {}
    arrows = []
    attributes: dict[str, list[tuple[str, str, str]]] = {}
    inside = ""
    for line in lines:
        if inside and line == "}":
            inside = ""
        elif inside and (found := _ATTRIBUTE.fullmatch(line)):
            attributes[inside].append((found[1], found[2], found[3] or ""))
        elif not inside and (found := re.fullmatch(r"(\w+) \{", line)):
            inside = found[1]
            attributes[inside] = []
            nodes[inside] = inside
        elif not inside and (found := _RELATION.fullmatch(line)):
            arrows.append(Arrow(found[1], found[4], f"{found[2]}--{found[3]} {found[5]}"))
            nodes |= {found[1]: found[1], found[4]: found[4]}
        else:
            raise NotUnderstood(line)
    told = {name: tuple(rows) for name, rows in attributes.items()}
    return Picture("erDiagram", nodes, tuple(arrows), attributes=told)
