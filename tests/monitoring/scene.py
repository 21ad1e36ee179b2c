"""Sidecars, each in a condition of its own, and what of it should raise an alert."""

from dataclasses import dataclass
from pathlib import Path

from stack import Stack
from upstream import Api
from workloads import LOOPBACK, Workload

NAMESPACE = "team-a"
# A port on which nothing listens.
NOBODY = 9
# The windows are short, so that a limit is learned in seconds and not in minutes.
SHORT = {"windowSeconds": 2, "windowMarginMilliseconds": 50}


@dataclass(frozen=True)
class Cause:
    """What raises an alert."""

    alert: str
    workload: str
    condition: str


CAUSES = [
    Cause("PacerNotReady", "api-down", "its policy has the gate Upstream, and nothing listens where the API should"),
    Cause("PacerUpstreamErrors", "api-down", "nothing listens where the API should"),
    Cause("PacerQueueNearlyFull", "crowded", "40 callers at 30 requests a minute, of which 20 may wait"),
    Cause("PacerQuotaExhausted", "crowded", "40 callers at 30 requests a minute, of which 20 may wait"),
    Cause("PacerDeadlineRefusals", "hasty", "low requests, which wait at most 2 s, behind ten others"),
    Cause("PacerRetreating", "limited", "the API takes 8 requests in 2 s, the policy says 20"),
    Cause("PacerLimitBelowPolicy", "limited", "the API takes 8 requests in 2 s, the policy says 20"),
    Cause("PacerPolicyRejected", "rejected", "a rate of 0 is written into the policy's file"),
    Cause("PacerPolicyNotFound", "not-found", "there is no policy of that name in the cluster"),
    Cause("PacerPolicyNotFound", "deleted", "the policy is deleted while it is followed"),
    Cause("PacerPolicyWatchLost", "forbidden", "the service account has no Role"),
    Cause("PacerPolicyWatchLost", "unreachable", "no API server answers"),
]
ALERTS = {cause.alert for cause in CAUSES}
# These two raise nothing by design, and whatever they like.
WORKLOADS = {"healthy", "demo", *(cause.workload for cause in CAUSES)}
# Those that are no Deployment's: their series have the name of the workload all the same.
CONTROLLED = {"crowded": "Job", "hasty": "StatefulSet", "rejected": ""}


class Scene:
    """All of them, in the namespace team-a."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.api = Api()
        self.tight = Api(quota=8, seconds=2)

    def stop(self) -> None:
        self.api.stop()
        self.tight.stop()

    def workload(self, name: str) -> Workload:
        return Workload(self.stack, name, controller=CONTROLLED.get(name, "ReplicaSet"))

    def filed(self, name: str, upstream: str, **spec: object) -> Workload:
        """One that has its policy from a file."""
        made = self.workload(name)
        return made.run(f"--upstream={upstream}", f"--policy-file={made.set_policy(**spec)}")

    def followed(self, name: str, policy: str, kubeconfig: Path) -> Workload:
        """One that asks the API server for its policy."""
        return self.workload(name).run(f"--upstream={self.api.url}", f"--policy={policy}", kubeconfig=kubeconfig)

    def start(self) -> None:
        # The first, because it takes the longest until it has shown everything.
        self.demo = self.workload("demo").start("demo", "--rpm=120", "--upstream-rpm=60")
        self.limits()
        self.queues()
        self.policies()
        nowhere, gated = f"http://{LOOPBACK}:{NOBODY}/v1", {"gates": ["Upstream"]}
        down = self.filed("api-down", nowhere, rate={"requestsPerMinute": 600}, readiness=gated)
        down.callers(3, pause=0.2)

    def limits(self) -> None:
        retreat = {"windowSeconds": 2, "minimumSamples": 1}
        self.limited = self.filed("limited", self.tight.url, rate={"requestsPerMinute": 600, **SHORT}, retreat=retreat)
        self.limited.callers(20)

    def queues(self) -> None:
        rate = {"requestsPerMinute": 30}
        small = {"maxDepth": 20, "maxWaitSeconds": 3600, "whenFull": "Reject"}
        crowded = self.filed("crowded", self.api.url, rate=rate, queue=small)
        crowded.callers(40)
        hasty = self.filed("hasty", self.api.url, rate=rate)
        hasty.callers(10)
        hasty.callers(5, priority="low")

    def policies(self) -> None:
        server = self.stack.server
        admin = server.kubeconfig(namespace=NAMESPACE)
        server.apply(policy("nvidia"), policy("temporary"))
        healthy = self.followed("healthy", "nvidia", admin)
        healthy.callers(1, pause=0.5)
        self.followed("not-found", "absent", admin)
        self.followed("deleted", "temporary", admin)
        self.stack.kubectl("delete", "ratelimitpolicies.pacer.dev", "temporary", f"--namespace={NAMESPACE}")
        token = self.stack.kubectl("create", "token", "default", f"--namespace={NAMESPACE}").strip()
        self.followed("forbidden", "nvidia", server.kubeconfig(token, NAMESPACE))
        self.followed("unreachable", "nvidia", server.kubeconfig(namespace=NAMESPACE, port=NOBODY))
        self.rejected = self.filed("rejected", self.api.url, rate={"requestsPerMinute": 60})
        self.rejected.set_policy(rate={"requestsPerMinute": 0})


def policy(name: str) -> dict:
    head = {"apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": name, "namespace": NAMESPACE}}
    return {**head, "spec": {"rate": {"requestsPerMinute": 600}}}
