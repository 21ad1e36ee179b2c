"""One real Kubernetes node with its control plane, in network, mount and process namespaces of its own."""
