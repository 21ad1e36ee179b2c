"""The image at work, in its own root."""

import json
import os
import tempfile
import unittest
from pathlib import Path

import upstream
from archive import Archive
from container import ADMIN, PROXY, ask, root, sidecar

CALL = {"model": "demo", "messages": [{"role": "user", "content": "hello"}]}


def call() -> tuple[int, dict]:
    """What the application gets."""
    status, text = ask(PROXY, "POST", "/v1/chat/completions", CALL)
    return status, json.loads(text)


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = Archive(Path(os.environ["PACER_IMAGE"]))
        upstream.raise_loopback()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="pacer-authority-"))
        cls.authority = Path(folder)
        upstream.make_certificates(cls.authority)
        cls.base_url = cls.enterClassContext(upstream.https(cls.authority))
        cls.asked = cls.enterClassContext(upstream.name_server())

    def test_it_tells_its_version(self):
        with root(self.image) as bare:
            answer = bare.run("--version")
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        version = self.image.runs_with["Labels"]["org.opencontainers.image.version"]
        self.assertEqual(answer.stdout, f"pacer {version}\n")

    def test_nothing_in_its_root_can_be_written(self):
        with root(self.image) as bare, self.assertRaisesRegex(OSError, "Read-only"):
            (bare.folder / "new").touch()

    def test_it_has_no_capability_and_can_get_none(self):
        with root(self.image) as bare, sidecar(bare) as running:
            status = Path(f"/proc/{running.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        self.assertEqual({fields[name] for name in ("CapPrm", "CapEff", "CapAmb")}, {"0" * 16})
        self.assertEqual(fields["NoNewPrivs"], "1")

    def test_its_health_check_tells_whether_it_lives(self):
        check = self.image.runs_with["Healthcheck"]["Test"][2:]
        with root(self.image) as bare:
            with sidecar(bare):
                self.assertEqual(bare.run(*check).returncode, 0)
            self.assertEqual(bare.run(*check).returncode, 1)

    def test_it_finds_a_name_and_trusts_the_certificates_that_are_mounted(self):
        ours = (self.authority / "ca.pem").read_bytes()
        with root(self.image, lambda bare: bare.certificates.write_bytes(ours)) as bare:
            with sidecar(bare, SIDECAR_UPSTREAM=self.base_url):
                self.assertEqual(call(), (200, json.loads(upstream.ANSWER)))
        self.assertIn(upstream.NAME, self.asked)

    def test_it_trusts_the_file_that_a_variable_names(self):
        ours = (self.authority / "ca.pem").read_bytes()
        with root(self.image, lambda bare: (bare.folder / "company.pem").write_bytes(ours)) as bare:
            with sidecar(bare, SIDECAR_UPSTREAM=self.base_url, SSL_CERT_FILE="/company.pem"):
                self.assertEqual(call()[0], 200)

    def test_it_trusts_no_authority_that_it_was_not_given(self):
        with root(self.image) as bare:
            self.assert_refuses(bare)

    def test_without_the_file_it_trusts_the_roots_it_was_compiled_with_and_no_other(self):
        with root(self.image, lambda bare: bare.certificates.unlink()) as bare:
            self.assert_refuses(bare)

    def assert_refuses(self, bare):
        """The unknown authority, and for that reason alone."""
        with sidecar(bare, SIDECAR_UPSTREAM=self.base_url, SIDECAR_LOG_LEVEL="debug") as running:
            status, answer = call()
            log = running.log()
        self.assertEqual((status, answer["error"]["code"]), (502, "upstream_unreachable"))
        self.assertIn("UnknownIssuer", log)

    def test_the_metrics_are_served_to_others(self):
        with root(self.image) as bare, sidecar(bare):
            status, text = ask(ADMIN, "GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("sidecar_build_info", text)


if __name__ == "__main__":
    unittest.main()
