"""The objects that tests make: all of them pass PodSecurity `restricted`."""

from cluster import POLICY

GRACE_SECONDS = 45
CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
INJECT = {"pacer.dev/inject": "true"}
APP_PORT = 8080


def namespace(name: str) -> dict:
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pacer.dev/e2e": "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def policy(name: str, per_minute: int, **spec: dict) -> dict:
    """`spec` may hold `queue`, `retry` and the rest; `rate` adds to the rate."""
    rate = {"requestsPerMinute": per_minute} | spec.pop("rate", {})
    group, version = POLICY.split(".", 1)[1], "v1alpha1"
    return {
        "apiVersion": f"{group}/{version}", "kind": "RateLimitPolicy", "metadata": {"name": name},
        "spec": {"rate": rate} | spec,
    }


def pod(name: str, image: str, arguments: list[str], policy: str | None = None, restart: str = "Never") -> dict:
    """A pod of the tests' own application; with `policy`, one that asks for the sidecar."""
    labels = {"app": name} | (INJECT | {"pacer.dev/policy": policy} if policy else {})
    spec = {
        "restartPolicy": restart, "terminationGracePeriodSeconds": GRACE_SECONDS, "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "app", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments,
            "securityContext": CONTAINER, "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        }],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def deployment(name: str, template: dict) -> dict:
    """Keeps one pod like `template` running."""
    spec = template["spec"] | {"restartPolicy": "Always"}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": template["metadata"]["labels"]}, "spec": spec},
        },
    }


def job(name: str, template: dict) -> dict:
    inner = {"metadata": {"labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": inner},
    }


def service(name: str) -> dict:
    """A stable address of the pods with the label app=NAME."""
    ports = [{"port": APP_PORT, "targetPort": APP_PORT}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports}}
