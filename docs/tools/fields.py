"""Tables of the fields of pydantic models."""

import json
import types
from collections.abc import Iterable, Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docs.tools.markdown import code, table


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every field that holds a value, by its dotted name; sections follow plain fields."""
    nested: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            nested.append((f"{prefix}{name}.", field.annotation))  # type: ignore[arg-type]
        else:
            yield f"{prefix}{name}", field
    for inner_prefix, inner in nested:
        yield from leaves(inner, inner_prefix)


def default_text(field: FieldInfo) -> str:
    """Return the default as JSON in monospace, or `required`."""
    if field.is_required():
        return "required"
    return code(json.dumps(field.get_default(call_default_factory=True), default=_plain))


def model_table(model: type[BaseModel]) -> str:
    """Return the table of a message: field, type, default and description."""
    rows = (
        (code(name), type_name(field.annotation), default_text(field), field.description or "")
        for name, field in model.model_fields.items()
    )
    return table(("field", "type", "default", "description"), rows)


def nested_models(models: Iterable[type[BaseModel]]) -> list[type[BaseModel]]:
    """Return the models and all models nested in them, each once, in order of appearance."""
    found: dict[type[BaseModel], None] = {}
    for model in models:
        found[model] = None
        annotations = (field.annotation for field in model.model_fields.values())
        inner = [part for item in annotations for part in _parts(item) if _is_model(part)]
        found |= dict.fromkeys(nested_models(inner))
    return list(found)


def type_name(annotation: Any) -> str:
    """Return a reader-friendly name of a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if origin in (Union, types.UnionType):
        return " or ".join(map(type_name, arguments))
    if origin in (tuple, list):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return f"map to {type_name(arguments[1])}"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return type_name(arguments[0])
    if origin is not None:
        return " or ".join(code(argument) for argument in arguments)
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any"}


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
