"""Writes the table of values in the chart's README from the comments of values.yaml.

    document.py [--check]     --check writes nothing, and fails when the README is out of date
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

CHART = Path(__file__).resolve().parents[2] / "charts/pacer"
LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]\w*):(?: (?P<value>.*))?$")
TABLE = re.compile(r"(?<=<!-- values -->\n).*?(?=<!-- /values -->)", re.DOTALL)


@dataclass
class Value:
    """A value: its path, its comment, and its default as it is written."""

    path: str
    comment: str
    default: str


def values(text: str) -> list[Value]:
    """The values with a comment, and those that should have one. What is below a comment is part of its value."""
    found: list[Value] = []
    keys: list[str] = []
    comment: list[str] = []
    whole = None
    for line in text.splitlines():
        stripped = line.strip()
        depth = (len(line) - len(line.lstrip())) // 2
        if not stripped:
            comment = []
        elif whole is not None and (depth > whole or stripped.startswith("- ")):
            found[-1].default = f"{found[-1].default} {stripped}".strip()
        elif stripped.startswith("#"):
            whole = None
            comment.append(stripped.lstrip("# "))
        elif match := LINE.match(line):
            keys[depth:] = [match["key"]]
            whole = depth if comment else None
            if comment or match["value"]:
                found.append(Value(".".join(keys), " ".join(comment), match["value"] or ""))
            comment = []
        else:
            raise SystemExit(f"values.yaml: not understood: {line}")
    return found


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def table(text: str) -> str:
    rows = ["", "| value | default | meaning |", "| --- | --- | --- |"]
    rows += [f"| `{value.path}` | `{cell(value.default)}` | {cell(value.comment)} |" for value in values(text)]
    return "\n".join(rows) + "\n\n"


def renewed() -> tuple[str, str]:
    """The README as it is, and as it should be."""
    readme = (CHART / "README.md").read_text()
    rows = table((CHART / "values.yaml").read_text())
    return readme, TABLE.sub(lambda _: rows, readme)


def main() -> None:
    found, wanted = renewed()
    if sys.argv[1:] == ["--check"]:
        if found != wanted:
            raise SystemExit("charts/pacer/README.md is out of date: run `make generate-chart`")
    else:
        (CHART / "README.md").write_text(wanted)


if __name__ == "__main__":
    main()
