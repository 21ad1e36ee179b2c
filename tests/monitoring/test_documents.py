"""What docs/monitoring.md tells people to do."""

import re
import shlex
import tempfile
import unittest
from pathlib import Path

from stack import promtool
from tools import ROOT, objects, render

PAGE = (ROOT / "docs/monitoring.md").read_text()


class Documents(unittest.TestCase):
    def test_the_command_that_connects_renders_a_monitor_the_alerts_and_the_dashboard(self):
        [command] = re.findall(r"^\$ (helm upgrade .*?[^\\])$", PAGE, re.MULTILINE | re.DOTALL)
        words = shlex.split(command.replace("\\\n", ""))
        rendered = objects(render(*words[words.index("--reuse-values") + 1 :]))
        self.assertIn(("ConfigMap", "pacer-system/pacer-dashboard"), rendered)
        for kind in ("PodMonitor", "PrometheusRule"):
            labels = rendered[kind, "pacer-system/pacer"]["metadata"]["labels"]
            self.assertEqual(labels["release"], "kube-prometheus-stack")

    def test_prometheus_takes_the_configuration_for_those_without_the_operator(self):
        [block] = re.findall(r"^```yaml\n(scrape_configs:.*?)```", PAGE, re.MULTILINE | re.DOTALL)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "prometheus.yaml"
            file.write_text(block)
            done = promtool("check", "config", file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
