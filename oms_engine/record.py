"""What is every value of this engine made of? One frozen record that is domain value, stored event and wire type at once."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Wire = Mapping[str, Any]
"""A JSON object as it stands on the wire: camelCase names, decimals and instants as strings."""


class Record(BaseModel):
    """An immutable value: snake_case in Python, camelCase on the wire, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_enum_values=False,
        ser_json_inf_nan="strings",
    )

    def to_wire(self) -> dict[str, Any]:
        """The JSON object of this record: camelCase, no nulls, decimals and instants as strings."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def from_wire(cls, data: Wire) -> Self:
        """Read a JSON object; raises pydantic's ValidationError when it is not one of these."""
        return cls.model_validate(data)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
