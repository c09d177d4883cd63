"""How do the tests speak to a server? Through the SDK's client, as an agent does, in plain calls."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from queue import SimpleQueue
from threading import get_ident
from typing import Any, Literal, Self

import httpx2
from anyio import create_task_group, move_on_after
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client import Transport
from mcp.client.session import ElicitationFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, Subscription
from mcp.server import MCPServer
from mcp_types import (
    CallToolResult,
    Completion,
    ContentBlock,
    Icon,
    Implementation,
    Prompt,
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    ServerCapabilities,
    Tool,
)

Wire = dict[str, Any]
Era = Literal["auto", "legacy"]

ERAS: tuple[Era, ...] = ("auto", "legacy")

User = ElicitationFnT
"""Who is asked by a client."""

PATIENCE = 20
"""Seconds after which what was waited for will not come."""

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


@asynccontextmanager
async def over_http(url: str, token: str = "") -> AsyncIterator[Any]:
    """How a client reaches a server at an address."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        streamable_http_client(url, http_client=http) as streams,
    ):
        yield streams


class Agent:
    """A connected client. Every answer is checked to tell the same in its text and in its structured content."""

    def __init__(
        self,
        server: MCPServer[Any] | StdioServerParameters | Transport,
        era: Era = "auto",
        name: str = "tester",
        user: User | None = None,
    ) -> None:
        """A client of a server, of one era, with a user who answers its questions where there is one."""
        self._era = era
        self._heard: SimpleQueue[str] = SimpleQueue()
        self._client = Client(
            server,
            mode=era,
            client_info=Implementation(name=name, version="1"),
            message_handler=self._hear if era == "legacy" else None,
            elicitation_callback=user,
        )
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

    def progress_of(self, tool: str, /, **arguments: object) -> list[tuple[float, float | None, str | None]]:
        """What was told of the progress of a call."""
        told: list[tuple[float, float | None, str | None]] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, total, message))

        self._portal.call(partial(self._client.call_tool, tool, arguments, progress_callback=note))
        return told

    def together(self, count: int, tool: str, /, **arguments: object) -> list[Wire]:
        """The answers to the same call, sent many times at once."""
        answers: list[Wire] = []

        async def call() -> None:
            result = await self._client.call_tool(tool, arguments)
            answers.append(result.structured_content or {})

        async def all_of_them() -> None:
            async with create_task_group() as group:
                for _ in range(count):
                    group.start_soon(call)

        self._portal.call(all_of_them)
        return answers

    def given_up(self, tool: str, seconds: float, /, **arguments: object) -> None:
        """Call a tool and wait for its answer no longer than this."""

        async def call() -> None:
            with move_on_after(seconds) as scope:
                await self._client.call_tool(tool, arguments)
            assert scope.cancelled_caught

        self._portal.call(call)

    def structured(self, tool: str, /, **arguments: object) -> Wire:
        """The structured content of a tool that is not ours."""
        result = self._portal.call(self._client.call_tool, tool, arguments)
        assert result.structured_content is not None, result
        return result.structured_content

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

    def media_type(self, address: str) -> str | None:
        return self._portal.call(self._client.read_resource, address).contents[0].mime_type

    def resources(self) -> tuple[list[str], list[str]]:
        """The addresses that are listed, and the templates."""
        listed = self._portal.call(self._client.list_resources).resources
        templates = self._portal.call(self._client.list_resource_templates).resource_templates
        return [str(resource.uri) for resource in listed], [template.uri_template for template in templates]

    def prompts(self) -> list[Prompt]:
        return self._portal.call(self._client.list_prompts).prompts

    def prompt(self, name: str, /, **arguments: str) -> list[ContentBlock]:
        """The contents of the messages of a prompt, all of them the user's."""
        messages = self._portal.call(self._client.get_prompt, name, arguments).messages
        assert {message.role for message in messages} == {"user"}
        return [message.content for message in messages]

    def completed(self, of: str, argument: str, typed: str = "", /, **given: str) -> list[str]:
        """What is proposed for an argument of a prompt, or of an address where that is what is named."""
        return self.completion(of, argument, typed, **given).values

    def completion(self, of: str, argument: str, typed: str = "", /, **given: str) -> Completion:
        ref = ResourceTemplateReference(uri=of) if "://" in of else PromptReference(name=of)
        asked = {"name": argument, "value": typed}
        return self._portal.call(self._client.complete, ref, asked, given).completion

    def call_later(self, tool: str, /, **arguments: object) -> Future[CallToolResult]:
        """A call that goes on while the test does something else; cancelling the future cancels the call."""
        return self._portal.start_task_soon(self._client.call_tool, tool, arguments)

    @contextmanager
    def following(self, *addresses: str) -> Iterator[Callable[[], str]]:
        """Hear of changes at some addresses, as the era has it; gives what waits for the next one."""
        if self._era == "legacy":
            for address in addresses:
                self._portal.call(self._client.subscribe_resource, address)
            yield partial(self._heard.get, timeout=PATIENCE)
            for address in addresses:
                self._portal.call(self._client.unsubscribe_resource, address)
            return
        with self._portal.wrap_async_context_manager(
            self._client.listen(resource_subscriptions=list(addresses))
        ) as stream:
            listening = self._portal.start_task_soon(self._listen, stream)
            yield partial(self._heard.get, timeout=PATIENCE)
            listening.cancel()

    async def _listen(self, stream: Subscription) -> None:
        async for event in stream:
            if isinstance(event, ResourceUpdated):
                self._heard.put(event.uri)

    async def _hear(self, message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self._heard.put(str(message.params.uri))

    def acknowledged(self, *addresses: str) -> list[str]:
        """The addresses that the server agrees to tell."""
        with self._portal.wrap_async_context_manager(
            self._client.listen(resource_subscriptions=list(addresses), tools_list_changed=True)
        ) as stream:
            assert not stream.honored.tools_list_changed
            return list(stream.honored.resource_subscriptions or ())

    def silent(self) -> bool:
        """Was nothing heard that nobody waited for?"""
        return self._heard.empty()

    def capabilities(self) -> ServerCapabilities:
        return self._client.server_capabilities

    def icons(self) -> list[Icon]:
        info = self._client.server_info
        assert info
        return info.icons or []

    def thread(self) -> int:
        """The thread on which client and server take turns; what works there makes all others wait."""
        return self._portal.call(get_ident)

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
