"""How do the tests speak to a server? Through the SDK's client, as an agent does, in plain calls."""

import json
from typing import Any, Literal, Self

from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.server import MCPServer
from mcp_types import Implementation, Tool

Wire = dict[str, Any]
Era = Literal["auto", "legacy"]

ERAS: tuple[Era, ...] = ("auto", "legacy")

GOOD: Wire = {
    "account": "ACC",
    "symbol": "IBM",
    "side": "BUY",
    "ord_type": "LIMIT",
    "order_qty": "1000",
    "price": "100",
}


def _holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_null(part) for part in value.values())
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None


class Agent:
    """A connected client. Every answer is checked to tell the same in its text and in its structured content."""

    def __init__(self, server: MCPServer[Any] | StdioServerParameters, era: Era = "auto", name: str = "tester") -> None:
        self._client = Client(server, mode=era, client_info=Implementation(name=name, version="1"))
        self._requests = 0

    def __enter__(self) -> Self:
        self._portals = start_blocking_portal()
        self._portal = self._portals.__enter__()
        self._connection = self._portal.wrap_async_context_manager(self._client)
        self._connection.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection; what a test raised goes on as it is, in no group of exceptions."""
        self._connection.__exit__(None, None, None)
        self._portals.__exit__(None, None, None)

    def tools(self) -> list[Tool]:
        return self._portal.call(self._client.list_tools).tools

    def instructions(self) -> str:
        return self._client.instructions or ""

    def call(self, tool: str, /, **arguments: object) -> tuple[Wire, bool]:
        """The answer, and whether it is an error."""
        result = self._portal.call(self._client.call_tool, tool, arguments)
        assert result.structured_content is not None, result
        assert [block.type for block in result.content] == ["text"]
        text = result.content[0].text  # type: ignore[union-attr] # its type was asked above
        assert json.loads(text) == result.structured_content
        assert text == json.dumps(result.structured_content, separators=(",", ":"), ensure_ascii=False)
        assert not _holds_null(result.structured_content)
        return result.structured_content, result.is_error

    def ok(self, tool: str, /, **arguments: object) -> Wire:
        answer, is_error = self.call(tool, **arguments)
        assert not is_error, answer
        return answer

    def refused(self, tool: str, /, **arguments: object) -> Wire:
        """The error of a call that must be refused."""
        answer, is_error = self.call(tool, **arguments)
        assert is_error, answer
        error: Wire = answer["error"]
        assert error["violations"], error
        assert error["citation"] == error["violations"][0]["citation"]
        return error

    def resource(self, address: str) -> str:
        contents = self._portal.call(self._client.read_resource, address).contents
        return contents[0].text  # type: ignore[union-attr] # all our resources are text

    def resources(self) -> tuple[list[str], list[str]]:
        """The addresses that are listed, and the templates."""
        listed = self._portal.call(self._client.list_resources).resources
        templates = self._portal.call(self._client.list_resource_templates).resource_templates
        return [str(resource.uri) for resource in listed], [template.uri_template for template in templates]

    def create(self, **order: object) -> str:
        """A good order with the changes given; returns its id. None takes an argument away."""
        self._requests += 1
        asked = GOOD | {"cl_ord_id": f"c{self._requests}"} | order
        answer = self.ok("create_order", **{name: value for name, value in asked.items() if value is not None})
        return str(answer["orderId"])

    def order(self, order_id: str) -> Wire:
        return self.ok("get_order", order_id=order_id)

    def fill(self, order_id: str, exec_id: str, quantity: str, price: str = "100") -> Wire:
        return self.ok("report_execution", order_id=order_id, exec_id=exec_id, last_qty=quantity, last_px=price)

    def given(self, state: str) -> str:
        """An order of 1000 in this state, reached through tools; CXL and EXP have 300 filled, CLOSED is filled."""
        order_id = self.create(handl_inst="MANUAL" if state == "NEW" else None)
        for tool, arguments in _WAYS[state]:
            confirmed = {"confirm": True} if tool == "end_order" else {}
            self.ok(tool, order_id=order_id, **arguments, **confirmed)
        return order_id


_ACCEPT: tuple[str, Wire] = ("update_order", {"action": "accept"})
_FILL: tuple[str, Wire] = ("report_execution", {"exec_id": "e1", "last_qty": "300", "last_px": "100"})
_REST: tuple[str, Wire] = ("report_execution", {"exec_id": "e2", "last_qty": "700", "last_px": "100"})
_WAYS: dict[str, tuple[tuple[str, Wire], ...]] = {
    "NEW": (),
    "UNACK": (),
    "LIVE": (_ACCEPT,),
    "PART": (_ACCEPT, _FILL),
    "FILLED": (_ACCEPT, _FILL, _REST),
    "CXL": (_ACCEPT, _FILL, ("end_order", {"action": "accept_cancel", "unsolicited": True})),
    "REJ": (("end_order", {"action": "reject", "reject_code": 0}),),
    "EXP": (_ACCEPT, _FILL, ("end_order", {"action": "expire"})),
    "CLOSED": (_ACCEPT, _FILL, _REST, ("end_order", {"action": "close"})),
}
