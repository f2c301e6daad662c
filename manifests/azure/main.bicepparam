// One cluster whose Prometheus writes by workload identity. The other ways are
// described beside each parameter in main.bicep.
using 'main.bicep'

param clusterName = 'aks-1'
param identityType = 'workloadIdentity'
// az aks show --resource-group GROUP --name aks-1 --query oidcIssuerProfile.issuerUrl --output tsv
param oidcIssuerUrl = 'https://westeurope.oic.prod-aks.azure.com/aaaabbbb-0000-cccc-1111-dddd2222eeee/00001111-aaaa-2222-bbbb-3333cccc4444/'
param namespace = 'monitoring'
// kubectl get pod -n monitoring POD --output jsonpath='{.spec.serviceAccountName}'
param serviceAccount = 'kube-prometheus-stack-prometheus'
