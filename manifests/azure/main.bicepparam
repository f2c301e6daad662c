// One cluster whose Prometheus uses workload identity. main.bicep describes every
// parameter. The OIDC issuer must be enabled first: az aks update --enable-oidc-issuer
using 'main.bicep'

param clusterName = 'aks-1'
param identityType = 'workloadIdentity'
// az aks show --resource-group GROUP --name aks-1 --query oidcIssuerProfile.issuerUrl --output tsv
param oidcIssuerUrl = 'https://westeurope.oic.prod-aks.azure.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/00001111-aaaa-2222-bbbb-3333cccc4444/'
param namespace = 'monitoring'
// Of the Prometheus pod; this is that of a release named kube-prometheus-stack. For any other:
// kubectl get pod -n monitoring POD --output jsonpath='{.spec.serviceAccountName}'
param serviceAccount = 'kube-prometheus-stack-prometheus'
