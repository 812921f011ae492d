//go:build tools

// Package helm names the command that the lab builds, so that go.mod pins all of what it needs.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
