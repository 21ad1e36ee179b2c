"""What is in the image, read from the archive."""

import os
import re
import tomllib
import unittest
from pathlib import Path

from archive import Archive, needs_a_loader

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = "usr/local/bin/pacer"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
MOST_BYTES = 12 * 1024 * 1024


class Contents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = Archive(Path(os.environ["PACER_IMAGE"]))
        cls.version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["package"]["version"]

    def test_it_is_named_after_the_version(self):
        (name,) = self.image.names
        self.assertEqual(name.removeprefix("docker.io/library/"), f"pacer:{self.version}")

    def test_it_holds_the_program_and_the_certificates_and_nothing_else(self):
        files = {member.name for member in self.image.members() if not member.isdir()}
        self.assertEqual(files, {PROGRAM, CERTIFICATES})

    def test_it_is_small(self):
        self.assertLessEqual(self.image.size, MOST_BYTES)

    def test_anybody_may_read_and_run_it_and_only_root_may_write(self):
        for member in self.image.members():
            runs = member.isdir() or member.name == PROGRAM
            self.assertEqual(member.mode & 0o7777, 0o755 if runs else 0o644, member.name)
            self.assertEqual((member.uid, member.gid), (0, 0), member.name)

    def test_the_program_needs_no_library(self):
        self.assertFalse(needs_a_loader(self.image.read(PROGRAM)))

    def test_the_program_tells_nothing_of_who_built_it(self):
        program = self.image.read(PROGRAM)
        for path in (REPOSITORY, Path.home() / ".cargo"):
            self.assertNotIn(f"{path}/".encode(), program)

    def test_every_file_is_as_old_as_the_sources(self):
        times = {int(member.mtime) for member in self.image.members()}
        self.assertEqual(len(times), 1, times)

    def test_it_runs_as_a_user_whose_number_is_not_root(self):
        self.assertEqual(self.image.runs_with["User"], "65532:65532")

    def test_it_runs_the_sidecar(self):
        self.assertEqual(self.image.runs_with["Entrypoint"], [f"/{PROGRAM}"])
        self.assertEqual(self.image.runs_with["Cmd"], ["run"])

    def test_its_health_is_asked_without_a_shell(self):
        self.assertEqual(self.image.runs_with["Healthcheck"]["Test"], ["CMD", f"/{PROGRAM}", "healthcheck"])

    def test_its_labels_say_what_it_is(self):
        labels = {
            name.removeprefix("org.opencontainers.image."): value
            for name, value in self.image.runs_with["Labels"].items()
        }
        self.assertEqual(labels["title"], "pacer")
        self.assertEqual(labels["licenses"], "Apache-2.0")
        self.assertEqual(labels["version"], self.version)
        self.assertRegex(labels["revision"], r"\A([0-9a-f]{40}|unknown)\Z")
        self.assertRegex(labels["created"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")

    def test_its_certificates_are_those_of_the_program(self):
        text = self.image.read(CERTIFICATES).decode("ascii")
        self.assertRegex(text, r"\A(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n+)+\Z")
        self.assertGreater(len(re.findall("BEGIN CERTIFICATE", text)), 100)


if __name__ == "__main__":
    unittest.main()
