"""The chart, and the programs that render and read it. What is missing fails, and says how it is had."""

import functools
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/pacer"
FULL = ["--values", str(CHART / "ci/full-values.yaml")]
SERVICE_MONITOR = ["--values", str(CHART / "ci/servicemonitor-values.yaml")]
IMAGE = ["--set", "image.repository=registry.example.com/pacer"]


@functools.cache
def folder(kind: str) -> Path:
    """Where tests/components.sh puts things: `path`, `charts` or `node`."""
    script = [ROOT / "tests/components.sh", kind]
    return Path(subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def run(kind: str, command: str, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess:
    program = folder(kind) / command
    if not program.exists():
        raise SystemExit(f"missing: {program}\n    make tools")
    # Neither the settings nor the cluster of whoever runs the tests.
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": "/dev/null", "LC_ALL": "C"}
    return subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, env=environment)


def helm(*arguments: str | Path) -> subprocess.CompletedProcess:
    return run("charts", "helm", *arguments)


def render(*arguments: str, chart: Path = CHART) -> str:
    """What `helm template` prints."""
    done = helm("template", "pacer", chart, "--namespace", "pacer-system", *arguments)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def refusal(*arguments: str) -> str:
    """What `helm template` says when it refuses."""
    done = helm("template", "pacer", CHART, *arguments)
    if done.returncode == 0:
        raise AssertionError(f"not refused: {arguments}")
    return done.stderr


def objects(text: str) -> dict[tuple[str, str], dict]:
    """Rendered objects by kind and namespace/name. kubectl reads the YAML as the API server would."""
    done = run("path", "kubectl", "patch", "--local", "--type=json", "--patch=[]", "--filename=-", "--output=json", stdin=text)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    found, decoder, rest = {}, json.JSONDecoder(), done.stdout.strip()
    while rest:
        item, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        name = "/".join(filter(None, [item["metadata"].get("namespace"), item["metadata"]["name"]]))
        found[item["kind"], name] = item
    return found


def of_kind(kind: str, text: str) -> list[dict]:
    return [item for (found, _), item in objects(text).items() if found == kind]


def kubeconform(text: str) -> subprocess.CompletedProcess:
    location = f"{folder('charts')}/schemas/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    return run("charts", "kubeconform", "-strict", "-summary", "-schema-location", location, "-", stdin=text)
