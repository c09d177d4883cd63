"""Pictures of orders as SVG."""

from oms_mcp.pictures import Picture, StatesPicture, Timeline, TreePicture, Waterfall
from oms_mcp.pictures.svg.states import states
from oms_mcp.pictures.svg.timeline import timeline
from oms_mcp.pictures.svg.tree import tree
from oms_mcp.pictures.svg.waterfall import waterfall

__all__ = ["svg"]


def svg(picture: Picture) -> str:
    """A picture as the text of an SVG file that needs no other one, readable on light and dark pages."""
    match picture:
        case Timeline():
            return timeline(picture).written()
        case TreePicture():
            return tree(picture).written()
        case StatesPicture():
            return states(picture).written()
        case Waterfall():
            return waterfall(picture).written()
