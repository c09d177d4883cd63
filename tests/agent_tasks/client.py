"""What may a scripted agent use? Its task, what the server tells everybody, and what it was answered; it is counted."""

import json
import re
from collections.abc import Callable
from typing import Any

import bpe_openai

from tests.oms_mcp.agent import Agent

Wire = dict[str, Any]

_TOKEN = re.compile(r"[^\s=,;\"{}\[\]()]+")
_ENCODING = bpe_openai.get_encoding("o200k_base")


def tokens(value: object) -> int:
    """Tokens of a value as compact JSON, by the o200k encoding."""
    return len(_ENCODING.encode(json.dumps(value, separators=(",", ":"), ensure_ascii=False)))


class ScriptedAgent:
    """A client that must have been told every argument: by its task, by an answer, or by the server, as it tells all.

    A server tells everybody its instructions, its tools and its addresses.

    Attributes:
        calls: How many calls were made.
        tokens: Tokens of the arguments that were sent and of the answers.
    """

    def __init__(self, agent: Agent, text: str, meanwhile: Callable[[int], None]) -> None:
        self._agent = agent
        self._meanwhile = meanwhile
        self._text = text
        listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in agent.tools()]
        addresses = [address for kind in agent.resources() for address in kind]
        self._known = [text, agent.instructions(), json.dumps([listed, addresses], ensure_ascii=False)]
        self._own: set[str] = set()
        self.calls = 0
        self.tokens = 0

    def told(self, pattern: str) -> str:
        """What the text of the task says where it reads like this."""
        found = re.search(pattern, self._text)
        assert found, f"the task does not read like {pattern}"
        return found[1]

    def every(self, pattern: str) -> list[str]:
        """All that the text of the task says where it reads like this."""
        return re.findall(pattern, self._text)

    def invented(self, name: str) -> str:
        """A new id or a sentence of the agent's own."""
        self._own.add(name)
        return name

    def made(self, value: object, *parts: str) -> str:
        """A value that was made of others that are known."""
        for part in parts:
            self._require(part)
        self._own.add(str(value))
        return str(value)

    def ask(self, tool: str, /, **arguments: object) -> Wire:
        """The answer to a call, which must be no error."""
        answer, is_error = self.call(tool, **arguments)
        assert not is_error, answer
        return answer

    def refused(self, tool: str, /, **arguments: object) -> Wire:
        """The error of a call that is refused."""
        answer, is_error = self.call(tool, **arguments)
        assert is_error, answer
        error: Wire = answer["error"]
        return error

    def call(self, tool: str, /, **arguments: object) -> tuple[Wire, bool]:
        """The answer to a call, and whether it is an error."""
        for value in arguments.values():
            self._require(value)
        answer, is_error = self._agent.call(tool, **arguments)
        self.calls += 1
        self.tokens += tokens({"name": tool, "arguments": arguments}) + tokens(answer)
        self._known.append(json.dumps(answer, ensure_ascii=False))
        self._meanwhile(self.calls)
        return answer, is_error

    def _require(self, value: object) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                self._require(name)
                self._require(part)
        elif isinstance(value, list):
            for part in value:
                self._require(part)
        elif isinstance(value, str | int) and not isinstance(value, bool) and str(value) not in self._own:
            for word in _TOKEN.findall(str(value)):
                for part in word.split("__"):
                    assert part in self._own or self._knows(part), f"nobody told the agent of {part!r}"

    def _knows(self, part: str) -> bool:
        return any(part in text for text in self._known)
