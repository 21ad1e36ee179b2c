#!/usr/bin/env bash
# Sees to what the node and the images take from the system: a container runtime, the network's plugins, an image builder.
# Root on a Debian gets what is missing installed; anybody else is told the command.
set -euo pipefail

packages=()

# want PACKAGE FILE-OR-COMMAND
want() {
    command -v "$2" >/dev/null || [ -x "$2" ] || packages+=("$1")
}

# Not everybody's path has the system's own commands.
PATH="$PATH:/usr/sbin:/sbin"
want containerd containerd
want runc runc
want containernetworking-plugins /usr/lib/cni/bridge
want iptables iptables
want iproute2 ip
command -v docker >/dev/null || command -v podman >/dev/null || want buildah buildah

[ ${#packages[@]} -gt 0 ] || exit 0
if [[ $(id -u) -eq 0 && -e /etc/debian_version ]]; then
    echo "installing ${packages[*]}" >&2
    apt-get update --quiet=2 >&2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "${packages[@]}" >&2
    exit
fi
printf 'missing: %s\n    apt-get install %s, or set KUBECONFIG to use a cluster of yours\n' "${packages[*]}" "${packages[*]}" >&2
exit 1
