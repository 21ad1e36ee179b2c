"""Writes JSON schemas for kubeconform, one file a kind, from the API server's own description and from definitions.

    schemas.py FOLDER SWAGGER.json DEFINITION.json...

They are strict: a field that a kind does not have is a fault. The server itself would only warn, or drop it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

REF = "#/definitions/"
# What the server's description calls a string, and YAML may write as a number.
LOOSE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}


def strict(node: object) -> object:
    """The same schema, closed wherever it lists properties."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    # The values of `properties` are schemas, its keys are names: a field may be called `properties` or `enum`.
    closed = {
        key: {name: strict(schema) for name, schema in value.items()} if key == "properties" else strict(value)
        for key, value in node.items()
        if key not in ("format", "description", "default")
    }
    is_open = node.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in node
    if isinstance(node.get("properties"), dict) and not is_open:
        closed["additionalProperties"] = False
    return closed


def references(node: object) -> Iterator[str]:
    """Names of the definitions that a schema uses."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(REF)
        for item in node.values():
            yield from references(item)


def closure(definitions: dict, name: str) -> dict:
    """A definition and all that it needs."""
    found, wanted = {}, [name]
    while wanted:
        current = wanted.pop()
        if current not in found:
            found[current] = definitions[current]
            wanted.extend(references(definitions[current]))
    return found


def write(folder: Path, group: str, version: str, kind: str, schema: dict) -> None:
    # kubeconform's own naming: the kind, the group's first word, the version.
    suffix = "-".join(part for part in (group.split(".")[0], version) if part)
    (folder / f"{kind}-{suffix}.json".lower()).write_text(json.dumps(schema))


def server_kinds(folder: Path, swagger: Path) -> None:
    definitions = {name: LOOSE.get(name) or strict(schema) for name, schema in json.loads(swagger.read_text())["definitions"].items()}
    for name, schema in definitions.items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        # More than one is what every kind shares, such as DeleteOptions.
        if len(kinds) == 1 and "metadata" in schema.get("properties", {}) and not kinds[0]["kind"].endswith("List"):
            of = kinds[0]
            bundle = {"$ref": REF + name, "definitions": closure(definitions, name)}
            write(folder, of["group"], of["version"], of["kind"], bundle)


def definition_kinds(folder: Path, file: Path) -> None:
    spec = json.loads(file.read_text())["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        write(folder, spec["group"], version["name"], spec["names"]["kind"], schema)


def main() -> None:
    folder, swagger, *files = map(Path, sys.argv[1:])
    folder.mkdir(parents=True)
    server_kinds(folder, swagger)
    for file in files:
        definition_kinds(folder, file)


if __name__ == "__main__":
    main()
