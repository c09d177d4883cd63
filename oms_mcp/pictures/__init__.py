"""Pictures of orders: one description of each, drawn as SVG and Mermaid here and in a terminal by `printing`."""

from oms_mcp.pictures.states import StatesPicture, states_of, states_of_order
from oms_mcp.pictures.timeline import Moment, Timeline, timeline_of
from oms_mcp.pictures.tree import Branch, TreePicture, tree_of
from oms_mcp.pictures.waterfall import Step, Waterfall, waterfall_of

Picture = Timeline | TreePicture | StatesPicture | Waterfall
"""Whatever can be drawn."""

__all__ = [
    "Branch",
    "Moment",
    "Picture",
    "StatesPicture",
    "Step",
    "Timeline",
    "TreePicture",
    "Waterfall",
    "states_of",
    "states_of_order",
    "timeline_of",
    "tree_of",
    "waterfall_of",
]
