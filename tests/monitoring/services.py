"""A release that is scraped through a Service, as `serviceMonitor.enabled` has it."""

import json

from stack import Stack
from workloads import LOOPBACK, Workload

NAMESPACE = "team-b"
# An address for documentation: the API server takes none of the loopback's for an endpoint. A relabeling leads back to it.
ADDRESS = "192.0.2.1"
BACK = {"regex": f"{ADDRESS}:(.+)", "replacement": f"{LOOPBACK}:$1"}
RELABELING = {"sourceLabels": ["__address__"], "targetLabel": "__address__", **BACK}
VALUES = {
    "crds": {"enabled": False},
    "rbac": {"aggregate": False},
    "serviceMonitor": {"enabled": True, "namespaces": [NAMESPACE], "labels": {"release": "services"}, "relabelings": [RELABELING]},
}


def offer(stack: Stack) -> None:
    """Installs it, with one sidecar behind the Service."""
    stack.install("pacer-services", *(f"--set-json={key}={json.dumps(value)}" for key, value in VALUES.items()))
    served = Workload(stack, "served", NAMESPACE).run("--upstream=http://127.0.0.1:9/v1")
    stack.server.apply(*endpoints(served, service="pacer-services-metrics"))


def endpoints(workload: Workload, service: str) -> list[dict]:
    """What the controllers would make of the Service, but for the port, which is the process's."""
    pod = {"kind": "Pod", "namespace": workload.namespace, "name": workload.pod}
    place = {"name": service, "namespace": workload.namespace}
    ports = [{"name": "pacer-admin", "port": workload.metrics, "protocol": "TCP"}]
    addresses = [{"ip": ADDRESS, "targetRef": pod}]
    old = {"apiVersion": "v1", "kind": "Endpoints", "metadata": place, "subsets": [{"addresses": addresses, "ports": ports}]}
    labelled = {**place, "labels": {"kubernetes.io/service-name": service}}
    ready = [{"addresses": [ADDRESS], "targetRef": pod, "conditions": {"ready": True}}]
    new = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": labelled}
    return [old, {**new, "addressType": "IPv4", "endpoints": ready, "ports": ports}]
