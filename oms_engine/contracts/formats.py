"""In which formats is a contract written?"""

from typing import Literal, get_args

Format = Literal["text", "json-schema", "avro", "openapi", "python", "typescript", "java"]
FORMATS: tuple[Format, ...] = get_args(Format)
