#!/usr/bin/env bash
# Creates the resources in Azure for workload identity, like main.bicep, with plain
# commands, and prints values for the chart. Needs the Azure CLI, logged in. Each
# command creates what is missing and keeps what exists, so it can be run again.
#
#   GROUP=monitoring CLUSTER=aks-1 NAMESPACE=monitoring \
#     SERVICE_ACCOUNT=kube-prometheus-stack-prometheus ./commands.sh > my-profiles.yaml
#
# With ACTION_GROUP, the resource id of an action group, it also creates the alerts
# that Microsoft recommends for the workspace's limits. With IMAGES_REGISTRY, the
# registry that has the images, it also prints that value.
set -euo pipefail

: "${GROUP:?the resource group}" "${CLUSTER:?the AKS cluster, in that group}"
: "${NAMESPACE:?of the Prometheus pod}" "${SERVICE_ACCOUNT:?of the Prometheus pod}"
NAME=prom-remotewrite-$CLUSTER

location=$(az group show --name "$GROUP" --query location --output tsv)
group=$(az group show --name "$GROUP" --query id --output tsv)
insights=$group/providers/Microsoft.Insights

# 1. The workspace, which stores samples and answers queries.
workspace=$(az monitor account create --name "$NAME" --resource-group "$GROUP" \
  --location "$location" --query id --output tsv)

# 2. The endpoint, in the workspace's region. `az rest` completes a path to the
# address of the cloud that the CLI is logged in to.
endpoint=$(az rest --method put \
  --url "$insights/dataCollectionEndpoints/$NAME?api-version=2022-06-01" \
  --body "{\"location\": \"$location\", \"properties\": {}}" \
  --query properties.metricsIngestion.endpoint --output tsv)

# 3. The rule, from the endpoint to the workspace.
rule=$(az rest --method put \
  --url "$insights/dataCollectionRules/$NAME?api-version=2022-06-01" \
  --body "{
    \"location\": \"$location\",
    \"properties\": {
      \"dataCollectionEndpointId\": \"$insights/dataCollectionEndpoints/$NAME\",
      \"dataSources\": {\"prometheusForwarder\": [
        {\"name\": \"prometheus\", \"streams\": [\"Microsoft-PrometheusMetrics\"]}
      ]},
      \"destinations\": {\"monitoringAccounts\": [
        {\"name\": \"workspace\", \"accountResourceId\": \"$workspace\"}
      ]},
      \"dataFlows\": [
        {\"streams\": [\"Microsoft-PrometheusMetrics\"], \"destinations\": [\"workspace\"]}
      ]
    }
  }" \
  --query properties.immutableId --output tsv)

# 4. The identity, federated with the service account.
az identity create --name "$NAME" --resource-group "$GROUP" --location "$location" --output none
client=$(az identity show --name "$NAME" --resource-group "$GROUP" --query clientId --output tsv)
principal=$(az identity show --name "$NAME" --resource-group "$GROUP" --query principalId --output tsv)
tenant=$(az identity show --name "$NAME" --resource-group "$GROUP" --query tenantId --output tsv)
az aks update --name "$CLUSTER" --resource-group "$GROUP" --enable-oidc-issuer --output none
issuer=$(az aks show --name "$CLUSTER" --resource-group "$GROUP" \
  --query oidcIssuerProfile.issuerUrl --output tsv)
az identity federated-credential create --name prometheus --identity-name "$NAME" \
  --resource-group "$GROUP" --issuer "$issuer" \
  --subject "system:serviceaccount:$NAMESPACE:$SERVICE_ACCOUNT" \
  --audiences api://AzureADTokenExchange --output none

# 5. Its role: Monitoring Metrics Publisher, on the rule. It takes up to 30 minutes to
# apply; until then samples wait in Prometheus' WAL, and Azure accepts those that are
# not older than 20 minutes.
az role assignment create --role 3913510d-42f4-4e42-8a64-420c390055eb \
  --assignee-object-id "$principal" --assignee-principal-type ServicePrincipal \
  --scope "$insights/dataCollectionRules/$NAME" --output none

# 6. If an action group is given: alerts before the workspace reaches its limits, beyond
# which samples are lost.
if [[ -n ${ACTION_GROUP:-} ]]; then
  for alert in \
    series-75:ActiveTimeSeriesPercentUtilization:3 \
    series-95:ActiveTimeSeriesPercentUtilization:2 \
    events-75:EventsPerMinuteIngestedPercentUtilization:3 \
    events-95:EventsPerMinuteIngestedPercentUtilization:2; do
    IFS=: read -r name metric severity <<<"$alert"
    az monitor metrics alert create --name "${workspace##*/}-$name" --resource-group "$GROUP" \
      --scopes "$workspace" --condition "avg $metric > ${name#*-}" --severity "$severity" \
      --window-size 5m --evaluation-frequency 5m --action "$ACTION_GROUP" --output none
  done
fi

# 7. The chart's values.
case $(az cloud show --query name --output tsv) in
  AzureUSGovernment) cloud=AzureGovernment ;;
  AzureChinaCloud) cloud=AzureChina ;;
  *) cloud=AzurePublic ;;
esac
cat <<YAML
config:
  profiles:
    default:
      ingestionUrl: $endpoint/dataCollectionRules/$rule/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24
      identityType: workloadIdentity
      clientId: $client
      tenantId: $tenant
      cloud: $cloud
      cluster: $CLUSTER
YAML
if [[ -n ${IMAGES_REGISTRY:-} ]]; then
  cat <<YAML
images:
  registry: $IMAGES_REGISTRY
YAML
fi
