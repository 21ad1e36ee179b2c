"""The chart's release, as the tests install it."""

import json

import manifests
from cluster import RELEASE, RELEASE_NAMESPACE, Cluster
from tools import CHART


class Release:
    """Helm's release of the chart, with injection and the right to read policies in the tests' namespaces."""

    def __init__(self, cluster: Cluster, namespaces: list[str]):
        self.cluster, self.namespaces = cluster, namespaces

    def install(self) -> str:
        """What helm prints."""
        for name in [RELEASE_NAMESPACE, *self.namespaces]:
            self.cluster.apply("default", manifests.namespace(name))
        printed = self.cluster.helm("install", RELEASE, CHART, *self.values())
        self.cluster.kubectl("wait", "--for=condition=Established", "crd/ratelimitpolicies.pacer.dev", "--timeout=60s")
        return printed

    def values(self) -> list[str]:
        readers = [{"namespace": name} for name in self.namespaces]
        values = {
            "image": image_values(self.cluster.images.pacer), "rbac": {"readers": readers},
            "injection": {"mode": "AdmissionPolicy"},
        }
        return [argument for key, value in values.items() for argument in ("--set-json", f"{key}={json.dumps(value)}")]


def image_values(image: str) -> dict[str, str]:
    """The chart's three values of `repository:tag` or `repository@digest`."""
    repository, at, digest = image.partition("@")
    if at:
        return {"repository": repository, "digest": digest}
    head, colon, tag = image.rpartition(":")
    return {"repository": head, "tag": tag} if colon and "/" not in tag else {"repository": image}
