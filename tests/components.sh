#!/usr/bin/env bash
# The real components that the tests run against: etcd, kube-apiserver and kubectl for tests/cluster; helm, kubeconform
# and the schemas of what a chart may render for tests/chart; promtool for tests/alerts; Prometheus and its operator for
# tests/monitoring; the rest of a node for tests/e2e; actionlint for the workflows.
#
# Usage: tests/components.sh build       builds what tests/cluster and tests/chart lack, once
#        tests/components.sh path        prints the folder of etcd, kube-apiserver and kubectl
#        tests/components.sh charts      prints the folder of what tests/chart needs
#        tests/components.sh promtool    builds promtool, once, and prints where it is
#        tests/components.sh actionlint  builds actionlint, once, and prints where it is
#        tests/components.sh prometheus  builds prometheus, once, and prints where it is
#        tests/components.sh operator    builds the Prometheus Operator, once, and prints its folder: operator, crds/
#        tests/components.sh node        builds the rest of a node, once, and prints its folder: kubelet,
#                                        kube-controller-manager, kube-scheduler, kube-proxy
#
# KUBEBUILDER_ASSETS, a folder with the three, wins where it is set: nothing is built then.
# Otherwise they are built from their Go modules, pinned by the go.mod and go.sum in
# tests/components, into ${XDG_CACHE_HOME:-~/.cache}/pacer/components, one folder a version.
# PACER_CHART_TOOLS does the same for the chart's.
set -euo pipefail

commands=(etcd kube-apiserver kubectl)
modules="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/components"

# version MODULE PACKAGE: the version that the module's go.mod pins.
version() {
    awk -v package="$2" '$1 == "require" && $2 == package { sub("v", "", $3); print $3 }' "$modules/$1/go.mod"
}

kubernetes="$(version kubernetes k8s.io/kubernetes)"
etcd="$(version etcd go.etcd.io/etcd/server/v3)"
helm="$(version helm helm.sh/helm/v4)"
kubeconform="$(version kubeconform github.com/yannh/kubeconform)"
operator="$(version operator github.com/prometheus-operator/prometheus-operator)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/pacer/components"
folder="$cache/kubernetes-$kubernetes-etcd-$etcd"
charts="$cache/helm-$helm-kubeconform-$kubeconform-schemas-$kubernetes-$operator"

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

given() {
    local missing=()
    for command in "${commands[@]}"; do
        [ -x "$KUBEBUILDER_ASSETS/$command" ] || missing+=("$command")
    done
    [ ${#missing[@]} -eq 0 ] || fail "missing in KUBEBUILDER_ASSETS ($KUBEBUILDER_ASSETS): ${missing[*]}" \
        "    unset KUBEBUILDER_ASSETS to have them built, or install them: setup-envtest use -p path"
}

given_charts() {
    local missing=()
    for entry in helm kubeconform schemas; do
        [ -e "$PACER_CHART_TOOLS/$entry" ] || missing+=("$entry")
    done
    [ ${#missing[@]} -eq 0 ] || fail "missing in PACER_CHART_TOOLS ($PACER_CHART_TOOLS): ${missing[*]}" \
        "    unset PACER_CHART_TOOLS to have them built"
}

need_go() {
    command -v go >/dev/null && return
    [ $# -eq 0 ] || fail "missing: go (1.26 or newer), which builds $* once" "    see https://go.dev/dl"
    fail "missing: go (1.26 or newer), which builds ${commands[*]} once" \
        "    see https://go.dev/dl, or point KUBEBUILDER_ASSETS to a folder with the three:" \
        "    export KUBEBUILDER_ASSETS=\$(setup-envtest use -p path)"
}

# compile MODULE PACKAGE COMMAND LDFLAGS: one static binary, put in place whole.
compile() {
    [ -x "$folder/$3" ] && return
    need_go "$3"
    printf 'building %s\n' "$3" >&2
    (cd "$modules/$1" && CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
        -ldflags "-s -w $4" -o "$folder/.$3" "$2")
    mv "$folder/.$3" "$folder/$3"
}

# enter FOLDER: what is compiled from here on goes there. Two runs side by side build once.
enter() {
    folder="$1"
    mkdir -p "$folder"
    exec 9>"$folder/.lock"
    flock 9
}

# compile_kubernetes COMMAND...
compile_kubernetes() {
    # Without these the server calls itself v0.0.0, and clients that check the version refuse it.
    local stamp=k8s.io/component-base/version
    local minor="${kubernetes#*.}"
    local flags="-X $stamp.gitVersion=v$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
    flags+=" -X $stamp.gitTreeState=clean"
    for command in "$@"; do
        compile kubernetes "k8s.io/kubernetes/cmd/$command" "$command" "$flags"
    done
}

build() {
    need_go
    enter "$folder"
    compile etcd go.etcd.io/etcd/server/v3 etcd ""
    compile_kubernetes kube-apiserver kubectl
}

node() {
    enter "$folder"
    compile_kubernetes kubelet kube-controller-manager kube-scheduler kube-proxy
    printf '%s\n' "$folder"
}

# source_of MODULE PACKAGE: the folder of the package's own files.
source_of() {
    (cd "$modules/$1" && go mod download "$2" && go list -mod=readonly -m -f '{{.Dir}}' "$2")
}

# The API server's own description and the operator's definitions, as kubeconform reads them.
schemas() {
    [ -d "$folder/schemas" ] && return
    printf 'making schemas\n' >&2
    local server operator
    server="$(source_of kubernetes k8s.io/kubernetes)"
    operator="$(source_of operator github.com/prometheus-operator/prometheus-operator)/jsonnet/prometheus-operator"
    rm -rf "$folder/.schemas"
    "${PYTHON:-python3}" "$modules/../chart/schemas.py" "$folder/.schemas" "$server/api/openapi-spec/swagger.json" \
        "$operator"/{podmonitors,servicemonitors,prometheusrules}-crd.json
    mv "$folder/.schemas" "$folder/schemas"
}

build_charts() {
    enter "$charts"
    compile helm helm.sh/helm/v4/cmd/helm helm ""
    compile kubeconform github.com/yannh/kubeconform/cmd/kubeconform kubeconform ""
    schemas
}

# prometheus_command COMMAND. In a folder of its own: raising one component builds no other anew.
prometheus_command() {
    enter "$cache/prometheus-$(version prometheus github.com/prometheus/prometheus)"
    compile prometheus "github.com/prometheus/prometheus/cmd/$1" "$1" ""
    printf '%s\n' "$folder/$1"
}

prometheus_operator() {
    enter "$cache/prometheus-operator-$operator"
    compile operator github.com/prometheus-operator/prometheus-operator/cmd/operator operator ""
    if [ ! -d "$folder/crds" ]; then
        rm -rf "$folder/.crds"
        cp -r --no-preserve=mode \
            "$(source_of operator github.com/prometheus-operator/prometheus-operator)/example/prometheus-operator-crd" "$folder/.crds"
        mv "$folder/.crds" "$folder/crds"
    fi
    printf '%s\n' "$folder"
}

workflow_lint() {
    enter "$cache/actionlint-$(version actionlint github.com/rhysd/actionlint)"
    compile actionlint github.com/rhysd/actionlint/cmd/actionlint actionlint ""
    printf '%s\n' "$folder/actionlint"
}

case "${1:-}" in
build)
    if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then given; else (build); fi
    if [ -n "${PACER_CHART_TOOLS:-}" ]; then given_charts; else (build_charts); fi
    ;;
path) printf '%s\n' "${KUBEBUILDER_ASSETS:-$folder}" ;;
charts) printf '%s\n' "${PACER_CHART_TOOLS:-$charts}" ;;
promtool | prometheus) prometheus_command "$1" ;;
actionlint) workflow_lint ;;
operator) prometheus_operator ;;
node) node ;;
*) fail "usage: tests/components.sh build | path | charts | promtool | actionlint | prometheus | operator | node" ;;
esac
