"""Pictures of orders in a terminal."""

from io import StringIO

from rich.console import Console, RenderableType

from oms_mcp.pictures import Picture, StatesPicture, Timeline, TreePicture, Waterfall
from oms_mcp.printing.pictures.marks import ASCII, UNICODE, Marks, marks_of
from oms_mcp.printing.pictures.states import states
from oms_mcp.printing.pictures.timeline import timeline
from oms_mcp.printing.pictures.tree import tree
from oms_mcp.printing.pictures.waterfall import waterfall
from oms_mcp.printing.terminal import out

__all__ = ["ASCII", "UNICODE", "Marks", "as_text", "drawn", "marks_of", "show"]


def drawn(picture: Picture, room: int, marks: Marks = UNICODE) -> RenderableType:
    """A picture as rich prints it.

    Args:
        picture: What is drawn.
        room: Columns that it may take.
        marks: The characters that it is made of.
    """
    match picture:
        case Timeline():
            return timeline(picture, room, marks)
        case TreePicture():
            return tree(picture, room, marks)
        case StatesPicture():
            return states(picture, room, marks)
        case Waterfall():
            return waterfall(picture, room, marks)


def show(picture: Picture, *, apart: bool = True) -> None:
    """Print a picture, by an empty line apart from what was printed before."""
    console = out()
    if apart:
        console.print()
    console.print(drawn(picture, console.width, marks_of(console)))


def as_text(picture: Picture, room: int, marks: Marks = UNICODE) -> str:
    """A picture as lines of text without colours, for a file."""
    console = Console(file=StringIO(), width=room, color_system=None, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(drawn(picture, room, marks))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())
