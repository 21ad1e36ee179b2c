"""The tests in their order, on one release of the chart. Run as a program, inside of the node's namespaces."""

import os
import secrets
import sys
import time
import unittest
from pathlib import Path

import images
import tools
import transcript
from case import Case
from cluster import RELEASE, RELEASE_NAMESPACE, Cluster
from release import Release

# The release is upgraded, rolled back and uninstalled last: everybody else's pods need it.
ORDER = [
    "test_start", "test_pace", "test_upstream", "test_job", "test_drain", "test_rights", "test_load", "test_faults",
    "test_release",
]


def load(names: list[str]) -> unittest.TestSuite:
    tests = unittest.defaultTestLoader.loadTestsFromNames(names or ORDER)
    if broken := unittest.defaultTestLoader.errors:
        raise SystemExit("\n".join(broken))
    return tests


def on_own_node() -> int:
    from node import namespaces
    from node.node import Node

    with transcript.phase("node Ready"):
        node = Node(namespaces.HOME, transcript.FOLDER / "log")
        node.start([Path(archive) for archive in os.environ["PACER_E2E_ARCHIVES"].split(":")])
    return _run(Cluster(node.kubeconfig, images.built(), node), sys.argv[1:], prefix="e2e")


def on_yours(kubeconfig: Path, names_of_images: images.Images, names: list[str]) -> int:
    """Leaves the cluster as it was: nothing of the tests, nothing of the release."""
    cluster = Cluster(kubeconfig, names_of_images)
    if cluster.try_kubectl("get", "crd/ratelimitpolicies.pacer.dev").returncode == 0:
        raise SystemExit("this cluster has the definition ratelimitpolicies.pacer.dev: the tests need one without pacer")
    try:
        return _run(cluster, names, prefix=f"pacer-e2e-{secrets.token_hex(3)}")
    finally:
        cluster.call(tools.folder("charts") / "helm", "uninstall", RELEASE, "--namespace", RELEASE_NAMESPACE)
        cluster.try_kubectl("delete", "namespace", "--selector=pacer.dev/e2e=true")
        # What a release leaves behind, on purpose.
        left = "crd,mutatingadmissionpolicies,mutatingadmissionpolicybindings"
        cluster.try_kubectl("delete", left, f"--selector=app.kubernetes.io/instance={RELEASE}")


def _run(cluster: Cluster, names: list[str], prefix: str) -> int:
    tests = unittest.TestSuite(test for test in _flat(load(names)) if _fits(test, cluster))
    cases = list(dict.fromkeys(type(test) for test in tests))
    for case in cases:
        case.cluster, case.namespace = cluster, f"{prefix}-{case.subject}"
    Case.release = Release(cluster, [case.namespace for case in cases])
    with transcript.phase("helm install"):
        Case.release.install()
    with (transcript.FOLDER / "failures.txt").open("w") as failures:
        result = unittest.TextTestRunner(stream=sys.stdout, resultclass=_result(failures), verbosity=0).run(tests)
    return 0 if result.wasSuccessful() and result.testsRun else 1


def _flat(tests):
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _fits(test: Case, cluster: Cluster) -> bool:
    if test.own_node_only and not cluster.node:
        transcript.line(f"      left out on a cluster of yours, which it would break: {test.id()}")
        return False
    return True


def _result(failures):
    class Result(unittest.TextTestResult):
        """One line a test for the transcript; where one fails, all that the cluster tells of its pods."""

        def startTest(self, test):
            super().startTest(test)
            self.began, self.faults = time.monotonic(), len(self.failures) + len(self.errors)

        def stopTest(self, test):
            failed = len(self.failures) + len(self.errors) > self.faults
            transcript.took(f"{_claim(test)}{': FAILED' if failed else ''}", time.monotonic() - self.began)
            if failed:
                report = f"===== {test.id()}\n{test.cluster.describe(test.namespace)}\n"
                print(report, flush=True)
                failures.write(report)
            super().stopTest(test)

    return Result


def _claim(test: unittest.TestCase) -> str:
    module, _, method = test.id().split(".")
    return f"{module.removeprefix('test_')}: {method.removeprefix('test_').replace('_', ' ')}"


if __name__ == "__main__":
    sys.exit(on_own_node())
