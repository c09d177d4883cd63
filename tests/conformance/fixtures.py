"""Our server with what the conformance suite expects of any: `python -m tests.conformance.fixtures`.

The suite calls tools, reads addresses and gets prompts of its own; none of them is in the product. They stand beside
ours, and come to the client in the same ways.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    ClientCapabilities,
    ContentBlock,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequest,
    InputRequiredResult,
    InputResponse,
    ListRootsRequest,
    ListRootsResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from oms_mcp import prompts
from oms_mcp.printing import terminal
from oms_mcp.prompts import Asked, Task
from oms_mcp.server import OmsServer, serve
from oms_mcp.web.addresses import Place
from oms_mcp.web.limits import Limits
from oms_mcp.web.serving import Front, HttpOptions

Wire = dict[str, Any]
Ctx = Context[Any, Any]
Answer = str | InputRequiredResult

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    )
).decode()
SILENCE = base64.b64encode(
    b"RIFF" + (38).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little") + b"\1\0\1\0"
    b"\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data" + (2).to_bytes(4, "little") + b"\0\0"
).decode()


def text_resource(uri: str, text: str, media_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=media_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def pixel() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


async def test_simple_text() -> str:
    return "This is a simple text response for testing."


async def test_image_content() -> list[ImageContent]:
    return [pixel()]


async def test_audio_content() -> list[AudioContent]:
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


async def test_embedded_resource() -> list[EmbeddedResource]:
    return [text_resource("test://embedded-resource", "This is an embedded resource content.")]


async def test_multiple_content_types() -> list[ContentBlock]:
    wire = json.dumps({"test": "data", "value": 123})
    mixed = text_resource("test://mixed-content-resource", wire, "application/json")
    return [TextContent(type="text", text="Multiple content types test:"), pixel(), mixed]


async def test_tool_with_logging(ctx: Ctx) -> str:
    for step in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(step)
    return "logged"


async def test_error_handling() -> str:
    raise ToolError("This tool intentionally returns an error for testing")


async def test_tool_with_progress(ctx: Ctx) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "done"


async def test_sampling(prompt: str, ctx: Ctx) -> str:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answered = await ctx.session.create_message(messages=[asked], max_tokens=100)
    return f"LLM response: {answered.content}"


async def test_elicitation(message: str, ctx: Ctx) -> str:
    fields = {"username": {"type": "string"}, "email": {"type": "string"}}
    return await _elicited(ctx, message, fields, required=[*fields])


async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
    fields: Wire = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await _elicited(ctx, "Who is it?", fields)


async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
    options = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Option {number}"} for number in (1, 2, 3)]
    names = ["Option One", "Option Two", "Option Three"]
    fields: Wire = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await _elicited(ctx, "Which?", fields)


async def _elicited(ctx: Ctx, message: str, fields: Wire, required: list[str] | None = None) -> str:
    schema = {"type": "object", "properties": fields, **({"required": required} if required else {})}
    answered = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"Elicitation completed: action={answered.action}, content={answered.content}"


async def test_missing_capability(ctx: Ctx) -> str:
    if not (ctx.client_capabilities and ctx.client_capabilities.sampling):
        needed = ClientCapabilities(sampling=SamplingCapability())
        data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        wire = data.model_dump(by_alias=True, exclude_none=True)
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is needed", wire)
    return "sampling is there"


async def test_streaming_elicitation(ctx: Ctx) -> Answer:
    await ctx.report_progress(1, 2)
    return _required(ctx, {"user_name": _form("What is your name?", "name")}) or "done"


async def test_logging_tool(ctx: Ctx) -> str:
    await ctx.info("only for who asked for it")
    return "logged"


async def test_trigger_tool_change(ctx: Ctx) -> str:
    await ctx.notify_tools_changed()
    return "told"


async def test_trigger_prompt_change(ctx: Ctx) -> str:
    await ctx.notify_prompts_changed()
    return "told"


async def test_input_required_result_elicitation(ctx: Ctx) -> Answer:
    return _required(ctx, {"user_name": _form("What is your name?", "name")}) or f"Hello, {_content(ctx, 'user_name')}!"


async def test_input_required_result_sampling(ctx: Ctx) -> Answer:
    return _required(ctx, {"capital_question": _sampling("What is the capital of France?")}) or str(_responses(ctx))


async def test_input_required_result_list_roots(ctx: Ctx) -> Answer:
    return _required(ctx, {"client_roots": ListRootsRequest()}) or str(_responses(ctx))


async def test_input_required_result_request_state(ctx: Ctx) -> Answer:
    asked = _required(ctx, {"confirm": _form("Please confirm", "ok", "boolean")}, state="asked")
    return asked or f"state-ok {ctx.request_state}"


async def test_input_required_result_tampered_state(ctx: Ctx) -> Answer:
    return _required(ctx, {"confirm": _form("Please confirm", "ok", "boolean")}, state="asked") or "state-ok"


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> Answer:
    asked: dict[str, InputRequest] = {
        "user_name": _form("What is your name?", "name"),
        "greeting": _sampling("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    return _required(ctx, asked, state="asked") or str(_responses(ctx))


async def test_input_required_result_multi_round(ctx: Ctx) -> Answer:
    if ctx.request_state is None:
        return _ask({"step1": _form("Step 1: What is your name?", "name")}, "one")
    if ctx.request_state == "one":
        return _ask({"step2": _form("Step 2: What is your favorite color?", "color")}, "two")
    return f"done {_responses(ctx)}"


async def test_input_required_result_capabilities(ctx: Ctx) -> Answer:
    can = ctx.client_capabilities or ClientCapabilities()
    asked: dict[str, InputRequest] = {}
    if can.sampling:
        asked["greeting"] = _sampling("Generate a greeting")
    if can.elicitation:
        asked["user_name"] = _form("What is your name?", "name")
    return _required(ctx, asked) or "done"


_EXPECTED: Mapping[type[object], tuple[type[object], ...]] = {
    ElicitRequest: (ElicitResult,),
    CreateMessageRequest: (CreateMessageResult,),
    ListRootsRequest: (ListRootsResult,),
}
"""What is asked -> what an answer to it is."""


def _required(ctx: Ctx, asked: dict[str, InputRequest], state: str | None = None) -> InputRequiredResult | None:
    """What is still to be asked; None once every answer is there, and is one."""
    given = _responses(ctx)
    answered = all(isinstance(given.get(key), _EXPECTED[type(request)]) for key, request in asked.items())
    return None if answered and ctx.request_state == state else _ask(asked, state)


def _ask(asked: dict[str, InputRequest], state: str | None) -> InputRequiredResult:
    return InputRequiredResult(input_requests=asked, request_state=state)


def _responses(ctx: Ctx) -> Mapping[str, InputResponse]:
    return ctx.input_responses or {}


def _content(ctx: Ctx, key: str) -> object:
    answered = _responses(ctx)[key]
    return answered.content if isinstance(answered, ElicitResult) else None


def _form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def _sampling(question: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=question))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=100))


TOOLS: tuple[Callable[..., Any], ...] = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_tool_with_logging,
    test_error_handling,
    test_tool_with_progress,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_missing_capability,
    test_streaming_elicitation,
    test_logging_tool,
    test_trigger_tool_change,
    test_trigger_prompt_change,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
)


def _task(arguments: Mapping[str, str], material: Callable[[Asked], Any]) -> Task:
    return Task(title="Test", description="Test", arguments=arguments, steps="A prompt.", material=material)


PROMPTS: Mapping[str, Task] = {
    "test_simple_prompt": _task({}, lambda _: iter(())),
    "test_prompt_with_arguments": _task({"arg1": "first", "arg2": "second"}, lambda _: iter(())),
    "test_prompt_with_embedded_resource": _task(
        {"resourceUri": "address"}, lambda asked: iter([text_resource(asked.given["resourceUri"], "Embedded.")])
    ),
    "test_prompt_with_image": _task({}, lambda _: iter([pixel()])),
    "test_input_required_result_prompt": _task({}, lambda _: iter(())),
}
"""Prompts that our own code writes out, as it does ours."""


async def test_input_required_result_prompt(ctx: Ctx) -> Answer:
    asked = _required(ctx, {"user_context": _form("What context should the prompt use?", "context")})
    return asked or f"Context: {_content(ctx, 'user_context')}"


def add_fixtures(server: OmsServer) -> None:
    """Add what the suite asks for; the prompts were added to ours before the server was built."""
    server.furnish()
    for tool in TOOLS:
        server.add_tool(tool, description="A fixture of the conformance suite.", structured_output=False)
    server.remove_prompt(test_input_required_result_prompt.__name__)
    server.add_prompt(Prompt.from_function(test_input_required_result_prompt, description="Test"))
    server.resource("test://static-text", mime_type="text/plain")(static_text)
    server.resource("test://static-binary", mime_type="image/png")(static_binary)
    server.resource("test://template/{id}/data", mime_type="application/json")(template)
    server.resource("test://watched-resource", mime_type="text/plain")(static_text)
    low = server._lowlevel_server
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, accepted)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, accepted)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accepted)


async def accepted(_ctx: object, _params: object) -> EmptyResult:
    return EmptyResult()


async def static_text() -> str:
    return "This is the content of the static text resource."


async def static_binary() -> bytes:
    return base64.b64decode(PIXEL)


async def template(id: str) -> str:  # noqa: A002 - the suite names it so
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def main() -> None:
    """Serve over HTTP on a free port of this machine, with fixtures and without the limit of a rate."""
    assert isinstance(prompts.PROMPTS, dict)
    prompts.PROMPTS.update(PROMPTS)
    front = Front(HttpOptions(place=Place("127.0.0.1", 0), limits=Limits(rate=0)), terminal.note)

    def with_fixtures(server: OmsServer) -> None:
        add_fixtures(server)
        front.run(server)

    serve(toolsets="all", run=with_fixtures)


if __name__ == "__main__":
    main()
