"""A release that is scraped through a Service, as `serviceMonitor.enabled` has it."""

import json

from stack import Stack
from workloads import LOOPBACK, Workload

NAMESPACE = "team-b"
# An address for documentation: the API server takes none of the loopback's for an endpoint. A relabeling leads back to it.
ADDRESS = "192.0.2.1"
RELABELING = {"sourceLabels": ["__address__"], "regex": f"{ADDRESS}:(.+)", "replacement": f"{LOOPBACK}:$1", "targetLabel": "__address__"}
VALUES = {
    "crds": {"enabled": False},
    "rbac": {"aggregate": False},
    "serviceMonitor": {"enabled": True, "namespaces": [NAMESPACE], "labels": {"release": "services"}, "relabelings": [RELABELING]},
}


def offer(stack: Stack) -> None:
    """Installs it, with one sidecar behind the Service, and has the operator configure a Prometheus for it."""
    stack.want_prometheus("services")
    stack.install("pacer-services", *(f"--set-json={key}={json.dumps(value)}" for key, value in VALUES.items()))
    served = Workload(stack, "served", NAMESPACE).run("--upstream=http://127.0.0.1:9/v1")
    stack.server.apply(slice_of(served, service="pacer-services-metrics"))
    stack.server.wait("the operator took the ServiceMonitor", lambda: "serviceMonitor/" in stack.configuration("services"))


def slice_of(workload: Workload, service: str) -> dict:
    """What the controller of EndpointSlices would make, but for the port, which it has from the process."""
    pod = {"kind": "Pod", "namespace": workload.namespace, "name": workload.pod}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": service, "namespace": workload.namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ADDRESS], "targetRef": pod, "conditions": {"ready": True}}],
        "ports": [{"name": "pacer-admin", "port": workload.metrics, "protocol": "TCP"}],
    }
