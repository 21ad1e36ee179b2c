#!/usr/bin/env bash
# The real components that the tests run against: etcd, kube-apiserver and kubectl for tests/cluster; helm, kubeconform
# and the schemas of what a chart may render for tests/chart; promtool for tests/alerts.
#
# Usage: tests/components.sh build     builds what is missing, once
#        tests/components.sh path      prints the folder of the first three
#        tests/components.sh charts    prints the folder of what tests/chart needs
#        tests/components.sh promtool  builds promtool, once, and prints where it is
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
    printf 'building %s\n' "$3" >&2
    (cd "$modules/$1" && CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
        -ldflags "-s -w $4" -o "$folder/.$3" "$2")
    mv "$folder/.$3" "$folder/$3"
}

build() {
    need_go
    mkdir -p "$folder"
    # Two runs side by side build once.
    exec 9>"$folder/.lock"
    flock 9
    compile etcd go.etcd.io/etcd/server/v3 etcd ""
    # Without these the server calls itself v0.0.0, and clients that check the version refuse it.
    local stamp=k8s.io/component-base/version
    local minor="${kubernetes#*.}"
    local flags="-X $stamp.gitVersion=v$kubernetes -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
    flags+=" -X $stamp.gitTreeState=clean"
    compile kubernetes k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver "$flags"
    compile kubernetes k8s.io/kubernetes/cmd/kubectl kubectl "$flags"
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
    need_go helm kubeconform
    local folder="$charts"
    mkdir -p "$folder"
    exec 9>"$folder/.lock"
    flock 9
    compile helm helm.sh/helm/v4/cmd/helm helm ""
    compile kubeconform github.com/yannh/kubeconform/cmd/kubeconform kubeconform ""
    schemas
}

# In a folder of its own: raising one component builds no other anew.
promtool() {
    local folder
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/pacer/components/prometheus-$(version prometheus github.com/prometheus/prometheus)"
    if [ ! -x "$folder/promtool" ]; then
        need_go promtool
        mkdir -p "$folder"
        exec 9>"$folder/.lock"
        flock 9
        compile prometheus github.com/prometheus/prometheus/cmd/promtool promtool ""
    fi
    printf '%s\n' "$folder/promtool"
}

case "${1:-}" in
build)
    if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then given; else build; fi
    if [ -n "${PACER_CHART_TOOLS:-}" ]; then given_charts; else build_charts; fi
    ;;
path) printf '%s\n' "${KUBEBUILDER_ASSETS:-$folder}" ;;
charts) printf '%s\n' "${PACER_CHART_TOOLS:-$charts}" ;;
promtool) promtool ;;
*) fail "usage: tests/components.sh build | path | charts | promtool" ;;
esac
