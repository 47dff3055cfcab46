"""What an API server does with a MutatingAdmissionPolicy: by the published schemas, and real CEL.

CEL's C++ library, which type-checks and evaluates, knows types as protobuf messages. Messages
cannot have names such as `Object.spec.containers` (`Object` is a message itself): here and in the
expressions they are `Object_spec_containers`. Their fields are those of the schemas.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, json_format

VERSION = "1.36"
"""The first in which the policy's interface is stable."""

_SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
_POD = "#/$defs/io.k8s.api.core.v1.Pod"
_TYPE = re.compile(r"\bObject(\.\w+)*(?=\{)")
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "boolean": _Field.TYPE_BOOL,
    "integer": _Field.TYPE_INT64,
}

Json = dict[str, Any]


def admit(policy: Json, pod: Json) -> Json:
    """The pod after the policy.

    Raises:
      Exception: an expression of the policy does not compile, or fails.
    """
    spec = policy["spec"]
    for condition in spec["matchConditions"]:
        if not _evaluate(condition["expression"], {"object": pod}):
            return pod
    variables: Json = {}
    for variable in spec["variables"]:
        known = {"object": pod, "variables": variables}
        variables[variable["name"]] = _evaluate(variable["expression"], known)
    for mutation in spec["mutations"]:
        expression = mutation["applyConfiguration"]["expression"]
        change = _evaluate(expression, {"object": pod, "variables": variables})
        pod = _merged(pod, json_format.MessageToDict(change), _POD)
    return pod


def _evaluate(expression: str, known: Json) -> Any:
    """The value of an expression, in which `known` is what there is."""
    names = {match.group() for match in _TYPE.finditer(expression)}
    environment = cel.NewEnv(
        descriptor_pool=_messages(names) if names else None,
        variables=dict.fromkeys(known, cel.Type.DYN),
        extensions=[ext_strings.ExtStrings()],
    )
    flat = _TYPE.sub(lambda match: _flat(match.group()), expression)
    return environment.compile(flat).eval(data=known).plain_value()


def _messages(names: set[str]) -> descriptor_pool.DescriptorPool:
    """These types; of their fields, the simple ones and those of these types."""
    file = descriptor_pb2.FileDescriptorProto(name="types.proto", syntax="proto3")
    for name in names:
        message = file.message_type.add(name=_flat(name))
        properties = _resolved(_schema_of(name))["properties"]
        for number, (field, schema) in enumerate(properties.items(), start=1):
            repeated = "items" in schema
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            kind = _SCALARS.get(_kind(schema["items"] if repeated else schema))
            if f"{name}.{field}" in names:
                message.field.add(
                    name=field,
                    number=number,
                    label=label,
                    type=_Field.TYPE_MESSAGE,
                    type_name=f".{_flat(f'{name}.{field}')}",
                )
            elif kind is not None:
                message.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _merged(live: Any, change: Any, schema: Json | str) -> Any:
    """Server-side apply: objects field by field, lists that are maps by their keys."""
    schema = _resolved(schema)
    if isinstance(change, Mapping):
        merged = dict(live or {})
        for name, value in change.items():
            merged[name] = _merged(merged.get(name), value, schema["properties"][name])
        return merged
    if not isinstance(change, list):
        return change
    assert schema["x-kubernetes-list-type"] == "map", "a policy may not change other lists"
    keys = schema["x-kubernetes-list-map-keys"]
    items = {tuple(item.get(key) for key in keys): item for item in live or []}
    for item in change:
        key = tuple(item.get(key) for key in keys)
        items[key] = _merged(items.get(key), item, schema["items"])
    return list(items.values())


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _schema_of(name: str) -> Json:
    """The schema of a type such as Object.spec.containers."""
    schema = _resolved(_POD)
    for field in name.split(".")[1:]:
        schema = schema["properties"][field]
        schema = _resolved(schema.get("items", schema))
    return schema


def _resolved(schema: Json | str) -> Json:
    reference = schema if isinstance(schema, str) else schema.get("$ref")
    if reference is None:
        assert isinstance(schema, dict)
        return schema
    found: Json = _definitions()[reference.rpartition("/")[2]]
    return found


def _kind(schema: Json) -> str:
    kind = schema.get("type", "")
    return kind if isinstance(kind, str) else str(kind[0])


@cache
def _definitions() -> Json:
    text = (_SCHEMAS / f"v{VERSION}.0-local-strict/_definitions.json").read_text()
    found: Json = json.loads(text)["$defs"]
    return found
