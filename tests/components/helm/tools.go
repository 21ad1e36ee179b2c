//go:build tools

// Package tools makes the command a requirement of this module, so that go.mod and go.sum pin it.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
