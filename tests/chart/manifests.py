"""Writes what manifests/ has from the charts. The tests compare it."""

import shutil
import tempfile
from pathlib import Path

from tools import CHART, ROOT, render

FILES = {
    "component/sidecar.yaml": "component",
    "component/cronjob.yaml": "component-cronjob",
    "component/pod.yaml": "component-pod",
    "workloads/pod.yaml": "pod",
    "workloads/job.yaml": "job",
    "workloads/pod-before-1.29.yaml": "pod-before-1.29",
}


def rendered() -> dict[Path, str]:
    """The text of every generated file."""
    found = {ROOT / "manifests/install.yaml": render()}
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / "manifests"
        shutil.copytree(ROOT / "charts/manifests", chart)
        shutil.copytree(CHART, chart / "charts/pacer")
        for file, template in FILES.items():
            found[ROOT / "manifests" / file] = render("--show-only", f"templates/{template}.yaml", chart=chart)
    return found


if __name__ == "__main__":
    for path, text in rendered().items():
        path.write_text(text)
