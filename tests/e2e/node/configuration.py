"""What the components of the node are told. JSON where they read YAML."""

import json
from pathlib import Path

NAME = "node"
SANDBOX = "localhost/pacer-e2e/sandbox:1"
ADDRESS = "172.30.0.1"
PODS = "10.88.0.0/24"
SERVICES = "10.96.0.0/16"
CGROUP = "pacer-e2e"
CONTAINERD = "/run/containerd/containerd.sock"
PLUGINS = "/usr/lib/cni"
NETWORK = "/etc/cni/net.d"

# The kubelet wants these values, and would write them for the whole machine: it is shown files of its own instead.
KERNEL = {
    "vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}


def network() -> str:
    addresses = {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": addresses}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]})


# `restrict_oom_score_adj`: where root lacks CAP_SYS_RESOURCE every sandbox fails without it, and nothing says why.
def containerd() -> str:
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{SANDBOX}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{NETWORK}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def kubelet(authority: Path, home: Path) -> str:
    never = {"memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"}
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": ADDRESS,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}", "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False, "failSwapOn": False, "protectKernelDefaults": True, "oomScoreAdj": 0,
        # The machine's disk and memory are not this node's to judge.
        "evictionHard": never, "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "resolvConf": str(home / "resolv.conf"), "volumePluginDir": str(home / "volumeplugins"),
        "maxPods": 60, "maxOpenFiles": 20000, "clusterDNS": [ADDRESS], "clusterDomain": "cluster.local",
    })


def kube_proxy(kubeconfig: Path) -> str:
    return json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables",
        "bindAddress": "127.0.0.1", "hostnameOverride": NAME, "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        # These are the machine's, too.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
