"""What the command line says of a verifier."""

from __future__ import annotations

import inspect
import json
from typing import Any

from pydantic_core import to_jsonable_python

from pe.registry import load
from pe.verifiers import Verifier


def describe(name: str) -> dict[str, Any]:
    """Name, behaviour, shapes, components, formula, source, what it does, and parameters (name, type, default, about).

    Raises InputError for an unknown name.
    """
    kind: type[Verifier] = load("verifiers", name)
    return {
        "name": name,
        "behaviour": kind.behaviour,
        "shapes": list(kind.shapes),
        "components": list(kind.components),
        "formula": kind.formula,
        "source": kind.source,
        "about": " ".join((inspect.getdoc(kind) or "").split()),
        "parameters": parameters(kind),
        "parameters_about": " ".join((inspect.getdoc(kind.Parameters) or "").split()),
    }


def parameters(kind: type[Verifier]) -> list[dict[str, Any]]:
    """Every parameter of a verifier: its name, its type with limits, and its default as JSON would write it."""
    schema = kind.Parameters.model_json_schema()
    shared = schema.get("$defs", {})
    rows = []
    for name, field in kind.Parameters.model_fields.items():
        row: dict[str, Any] = {"name": name, "type": _type(schema["properties"][name], shared)}
        if field.is_required():
            row["required"] = True
        else:
            row["default"] = to_jsonable_python(field.get_default(call_default_factory=True))
        rows.append(row)
    return rows


def _type(schema: dict[str, Any], shared: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name if shared[name].get("type") == "object" else _type(shared[name], shared)
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " | ".join(_type(item, shared) for item in schema[union])
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("prefixItems")
        inside = ", ".join(_type(item, shared) for item in items) if items else _type(schema.get("items", {}), shared)
        return f"[{inside}]" if items else f"list of {inside}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table of {_type(inner, shared)}" if isinstance(inner, dict) and inner.get("type") else "table"
    limits = [f"{sign} {schema[key]:g}" for key, sign in _LIMITS.items() if key in schema]
    return " ".join([{"string": "text", "integer": "whole number"}.get(kind, kind), *limits])


_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
