"""How does a picture become text that Mermaid draws, in a document or a chat?"""

from collections.abc import Iterator

from oms_mcp.pictures import Picture, StatesPicture, Timeline, TreePicture, Waterfall
from oms_mcp.pictures.labels import amount, day_of, mermaid_label, time_of
from oms_mcp.pictures.tree import Branch
from oms_mcp.pictures.waterfall import Step


def mermaid(picture: Picture) -> str:
    """A picture as Mermaid: a timeline, a flowchart (tree and waterfall) or a stateDiagram-v2."""
    match picture:
        case Timeline():
            lines = _timeline(picture)
        case TreePicture():
            lines = _tree(picture)
        case StatesPicture():
            lines = _states(picture)
        case Waterfall():
            lines = _waterfall(picture)
    return "".join(f"{line}\n" for line in lines)


def _timeline(picture: Timeline) -> Iterator[str]:
    many = len(picture.orders) > 1
    yield "timeline"
    about = "and its tree" if many else picture.terms
    left_out = f", {picture.left_out} earlier events left out" if picture.left_out else ""
    yield f"    title {mermaid_label(f'{picture.order_id} {about}{left_out}')}"
    day = ""
    for moment in picture.moments:
        if day_of(moment.time) != day:
            day = day_of(moment.time)
            yield f"    section {day}"
        told = [f"{moment.order_id} {moment.state}" if many else str(moment.state), moment.event, moment.said]
        told.append(f"{amount(moment.cum_qty)}/{amount(moment.order_qty)}, open {amount(moment.leaves_qty)}")
        yield f"        {mermaid_label(time_of(moment.time))} : " + " : ".join(
            mermaid_label(each) for each in told if each
        )


def _tree(picture: TreePicture) -> Iterator[str]:
    yield "flowchart TD"
    yield from _branch(picture.root, "n0")
    linked = [picture.group] if picture.group else []
    for number, branch in enumerate([*linked, *picture.members], 1):
        yield f'    m{number}["{_node(branch)}"]'
        yield f"    m{number} -.-> n0" if branch is picture.group else f"    n0 -.-> m{number}"
    if picture.members_left_out:
        yield f'    mx["{mermaid_label(f"and {picture.members_left_out:,} more members")}"]'
        yield "    n0 -.-> mx"


def _branch(branch: Branch, name: str) -> Iterator[str]:
    yield f'    {name}["{_node(branch)}"]'
    for number, child in enumerate(branch.children):
        yield from _branch(child, f"{name}_{number}")
        yield f"    {name} --> {name}_{number}"
    if branch.left_out:
        states = ", ".join(f"{count} {state}" for state, count in sorted(branch.left_out_states.items()))
        yield f'    {name}_x["{mermaid_label(f"and {branch.left_out:,} more: {states}")}"]'
        yield f"    {name} -.-> {name}_x"


def _node(branch: Branch) -> str:
    """Three lines: which order, where it stands, and its quantities."""
    average = f" at {amount(branch.avg_px)}" if branch.cum_qty else ""
    lines = (
        f"{branch.order_id} {branch.role}",
        f"{branch.state} {branch.side} {amount(branch.order_qty)} {branch.symbol}",
        f"done {amount(branch.cum_qty)}{average}, open {amount(branch.leaves_qty)}",
    )
    return "<br/>".join(mermaid_label(each) for each in lines)


def _states(picture: StatesPicture) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield "    direction LR"
    for standing in picture.standing:
        yield f"    {standing.state} : {standing.state} {standing.orders}"
    for passing in picture.passings:
        remark = " correction" if passing.correction else "" if passing.declared else " other profile"
        yield f"    {passing.start or '[*]'} --> {passing.end} : {passing.times}{remark}"
    yield from (f"    {standing.state} --> [*]" for standing in picture.standing if standing.terminal)


def _waterfall(picture: Waterfall) -> Iterator[str]:
    yield "flowchart LR"
    for number, step in enumerate(picture.steps):
        yield f'    s{number}["{_step(step)}"]'
        if number:
            yield f"    s{number - 1} --> s{number}"
    told = f"open {amount(picture.leaves_qty)}<br/>executed {amount(picture.cum_qty)}"
    yield f'    left(["{told}"])'
    if picture.steps:
        yield f"    s{len(picture.steps) - 1} --> left"


def _step(step: Step) -> str:
    change = amount(step.change) if step.change < 0 else f"+{amount(step.change)}"
    named = f"{step.kind} {step.name}".strip()
    return "<br/>".join(mermaid_label(each) for each in (named, change, f"open {amount(step.open_after)}"))
