"""Ten sidecars, each in a condition of its own, and what of each should raise an alert."""

from dataclasses import dataclass

from stack import Stack
from upstream import Api
from workloads import Workload

# The windows are short, so that a limit is learned in seconds and not in minutes.
SHORT = {"windowSeconds": 2, "windowMarginMilliseconds": 50}


@dataclass
class Cause:
    """What raises an alert."""

    workload: str
    condition: str


CAUSES = {
    "PacerNotReady": Cause("api-down", "the policy has the gate Upstream, and nothing listens where the API should"),
    "PacerUpstreamErrors": Cause("api-down", "nothing listens where the API should"),
    "PacerQueueNearlyFull": Cause("crowded", "40 callers at 30 requests a minute, of which 20 may wait"),
    "PacerQuotaExhausted": Cause("crowded", "40 callers at 30 requests a minute, of which 20 may wait"),
    "PacerDeadlineRefusals": Cause("hasty", "low requests, which wait at most 2 s, behind ten others"),
    "PacerRetreating": Cause("limited", "the API takes 8 requests in 2 s, the policy says 20"),
    "PacerLimitBelowPolicy": Cause("limited", "the API takes 8 requests in 2 s, the policy says 20"),
    "PacerPolicyRejected": Cause("rejected", "a rate of 0 is written into the policy's file"),
    "PacerPolicyNotFound": Cause("not-found", "there is no policy of that name in the cluster"),
    "PacerPolicyWatchLost": Cause("forbidden", "the service account has no Role"),
}


class Scene:
    """All of them, in the namespace team-a. `healthy` and `demo` raise nothing by design, or whatever they like."""

    def __init__(self, stack: Stack):
        self.stack = stack
        self.api = Api()
        self.tight = Api(quota=8, seconds=2)

    def stop(self) -> None:
        self.api.stop()
        self.tight.stop()

    def workload(self, name: str) -> Workload:
        return Workload(self.stack, name)

    def filed(self, name: str, upstream: str, **spec: object) -> Workload:
        """One that has its policy from a file."""
        made = self.workload(name)
        return made.run(f"--upstream={upstream}", f"--policy-file={made.set_policy(**spec)}")

    def followed(self, name: str, policy: str, token: str | None = None) -> Workload:
        """One that asks the API server for its policy."""
        server = self.stack.server
        kubeconfig = server.kubeconfig(token, "team-a") if token else server.kubeconfig(namespace="team-a")
        return self.workload(name).run(f"--upstream={self.api.url}", f"--policy={policy}", kubeconfig=kubeconfig)

    def start(self) -> None:
        # The first, because it takes the longest until it has shown everything.
        self.demo = self.workload("demo").start("demo", "--rpm=120", "--upstream-rpm=60")
        self.limits()
        self.queues()
        self.policies()
        down = self.filed("api-down", "http://127.0.0.1:9/v1", rate={"requestsPerMinute": 600}, readiness={"gates": ["Upstream"]})
        down.callers(3, pause=0.2)

    def limits(self) -> None:
        retreat = {"windowSeconds": 2, "minimumSamples": 1}
        self.limited = self.filed("limited", self.tight.url, rate={"requestsPerMinute": 600, **SHORT}, retreat=retreat)
        self.limited.callers(20)

    def queues(self) -> None:
        rate = {"requestsPerMinute": 30}
        crowded = self.filed("crowded", self.api.url, rate=rate, queue={"maxDepth": 20, "maxWaitSeconds": 3600, "whenFull": "Reject"})
        crowded.callers(40)
        hasty = self.filed("hasty", self.api.url, rate=rate)
        hasty.callers(10)
        hasty.callers(5, priority="low")

    def policies(self) -> None:
        server = self.stack.server
        head = {"apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "nvidia", "namespace": "team-a"}}
        server.apply({**head, "spec": {"rate": {"requestsPerMinute": 600}}})
        healthy = self.followed("healthy", "nvidia")
        healthy.callers(1, pause=0.5)
        self.followed("not-found", "absent")
        token = self.stack.kubectl("create", "token", "default", "--namespace=team-a").strip()
        self.followed("forbidden", "nvidia", token)
        rejected = self.filed("rejected", self.api.url, rate={"requestsPerMinute": 60})
        rejected.set_policy(rate={"requestsPerMinute": 0})
