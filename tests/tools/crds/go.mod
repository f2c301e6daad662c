// Nothing is built from these modules: they hold the definitions of the
// resources that the chart can make for other people's controllers.
module tools.invalid/crds

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.5.0
	github.com/cert-manager/cert-manager v1.21.2
	github.com/fluxcd/helm-controller v1.4.0
	github.com/fluxcd/source-controller v1.8.0
	github.com/prometheus-operator/prometheus-operator v0.93.1
	sigs.k8s.io/secrets-store-csi-driver v1.6.1
)
