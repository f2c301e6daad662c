// Creates a workspace, a data collection endpoint and rule, an identity and its role on
// the rule, and outputs a profile for the chart.
//
//   az deployment group create --resource-group GROUP \
//     --template-file main.bicep --parameters main.bicepparam \
//     --query properties.outputs.values.value --output yaml > my-profiles.yaml

targetScope = 'resourceGroup'

@description('The cluster\'s name: part of the names of the created resources, and the external label that distinguishes its series from others.')
@minLength(1)
@maxLength(26)
param clusterName string

@description('The region of endpoint and rule. Azure requires that it is the workspace\'s.')
param location string = resourceGroup().location

@description('The resource id of an existing Azure Monitor workspace. Empty: one is created.')
param workspaceId string = ''

@description('The type of identity with which the sidecar authenticates.')
@allowed(['userAssigned', 'systemAssigned', 'workloadIdentity', 'aadApplication'])
param identityType string = 'workloadIdentity'

@description('The object id of an existing identity: of a managed identity (principalId), or of an application\'s service principal, not of its registration. Empty: a user-assigned identity is created, for userAssigned and workloadIdentity only.')
param principalId string = ''

@description('The client id of that identity or application; empty for systemAssigned.')
param clientId string = ''

@description('For workloadIdentity with an identity that is created here: the cluster\'s OIDC issuer, as `az aks show --query oidcIssuerProfile.issuerUrl` prints it.')
param oidcIssuerUrl string = ''

@description('The namespace of Prometheus\' pod.')
param namespace string = 'monitoring'

@description('The service account of Prometheus\' pod (spec.serviceAccountName).')
param serviceAccount string = 'kube-prometheus-stack-prometheus'

@description('For aadApplication: the Key Vault with the certificate. Empty: no role on a vault is assigned.')
param vaultName string = ''

@description('The resource group of the vault.')
param vaultResourceGroup string = resourceGroup().name

@description('The object id of the identity with which the Secrets Store CSI driver reads the vault.')
param vaultReaderPrincipalId string = ''

@description('The certificate\'s name in the vault.')
param certificateName string = 'prometheus'

@description('The SecretProviderClass in Prometheus\' namespace that delivers the certificate.')
param secretProviderClass string = 'prom-remotewrite'

@description('The sidecar\'s name of the cloud. Empty: the one of this deployment. Custom requires an audience, and an authority as well unless the identity is a managed one.')
@allowed(['', 'AzurePublic', 'AzureGovernment', 'AzureChina', 'Custom'])
param cloud string = ''

@description('Replaces the cloud\'s audience.')
param audience string = ''

@description('Replaces the cloud\'s authority, https://…')
param authorityHost string = ''

@description('Whether workspace and endpoint accept connections from the internet. Disabled requires private links, which are not created here.')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string = 'Enabled'

@description('The resource ids of action groups that are notified before the workspace reaches its limits, beyond which samples are lost. Empty: no alerts are created.')
param alertActionGroupIds array = []

param tags object = {}

// Monitoring Metrics Publisher: may write metrics, and nothing else.
var publisherRole = '3913510d-42f4-4e42-8a64-420c390055eb'
var stream = 'Microsoft-PrometheusMetrics'
// The limit of endpoints' names: 44 characters.
var name = 'prom-remotewrite-${clusterName}'
var governed = environment().name == 'AzureUSGovernment' ? 'AzureGovernment' : 'AzurePublic'
var ownCloud = environment().name == 'AzureChinaCloud' ? 'AzureChina' : governed
var cloudName = empty(cloud) ? ownCloud : cloud
var makesIdentity = empty(principalId) && contains(['userAssigned', 'workloadIdentity'], identityType)

resource workspace 'Microsoft.Monitor/accounts@2023-04-03' = if (empty(workspaceId)) {
  name: name
  location: location
  tags: tags
  properties: {
    publicNetworkAccess: publicNetworkAccess
  }
}

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2022-06-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    description: 'Where Prometheus of ${clusterName} writes to.'
    networkAcls: {
      publicNetworkAccess: publicNetworkAccess
    }
  }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2022-06-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    description: 'Brings the samples of ${clusterName} to their workspace.'
    dataCollectionEndpointId: endpoint.id
    dataSources: {
      prometheusForwarder: [
        {
          name: 'prometheus'
          streams: [stream]
        }
      ]
    }
    destinations: {
      monitoringAccounts: [
        {
          name: 'workspace'
          accountResourceId: empty(workspaceId) ? workspace.id : workspaceId
        }
      ]
    }
    dataFlows: [
      {
        streams: [stream]
        destinations: ['workspace']
      }
    ]
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (makesIdentity) {
  name: name
  location: location
  tags: tags
}

// The audience of the token that the webhook projects, in every cloud.
resource federation 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = if (makesIdentity && identityType == 'workloadIdentity') {
  parent: identity
  name: 'prometheus'
  properties: {
    issuer: oidcIssuerUrl
    subject: 'system:serviceaccount:${namespace}:${serviceAccount}'
    audiences: ['api://AzureADTokenExchange']
  }
}

// On the rule only. It takes up to 30 minutes to apply: samples older than 20 minutes
// are lost by then, so deploy this before Prometheus writes.
resource mayWrite 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: rule
  name: guid(rule.id, makesIdentity ? identity.id : principalId, publisherRole)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisherRole)
    principalId: makesIdentity ? identity!.properties.principalId : principalId
    principalType: 'ServicePrincipal'
  }
}

module mayRead 'vault.bicep' = if (!empty(vaultName) && !empty(vaultReaderPrincipalId)) {
  name: 'prom-remotewrite-vault'
  scope: resourceGroup(vaultResourceGroup)
  params: {
    vaultName: vaultName
    principalId: vaultReaderPrincipalId
  }
}

module alerts 'alerts.bicep' = if (!empty(alertActionGroupIds)) {
  name: 'prom-remotewrite-alerts'
  params: {
    workspaceId: empty(workspaceId) ? workspace.id : workspaceId
    actionGroupIds: alertActionGroupIds
    tags: tags
  }
}

var profile = {
  ingestionUrl: '${endpoint.properties.metricsIngestion.endpoint}/dataCollectionRules/${rule.properties.immutableId}/streams/${stream}/api/v1/write?api-version=2023-04-24'
  identityType: identityType
  cluster: clusterName
}
var asWhom = identityType == 'systemAssigned' ? {} : {
  clientId: makesIdentity ? identity!.properties.clientId : clientId
}
var inTenant = contains(['workloadIdentity', 'aadApplication'], identityType) ? {
  tenantId: tenant().tenantId
} : {}
var certificate = identityType == 'aadApplication' ? {
  secretProviderClass: secretProviderClass
  certificateName: certificateName
} : {}
var elsewhere = union(
  cloudName == 'AzurePublic' ? {} : { cloud: cloudName },
  empty(audience) ? {} : { audience: audience },
  empty(authorityHost) ? {} : { authorityHost: authorityHost }
)

@description('What goes into INGESTION_URL: metrics ingestion of the endpoint, immutable id of the rule, stream.')
output ingestionUrl string = profile.ingestionUrl

@description('The chart\'s values for this cluster.')
output values object = {
  config: {
    profiles: {
      default: union(profile, asWhom, inTenant, certificate, elsewhere)
    }
  }
}

@description('The identity to attach to the scale set of every node pool that Prometheus may run on, if one was created for userAssigned.')
output identityId string = makesIdentity ? identity.id : ''

@description('The workspace, for queries and for Grafana.')
output workspaceId string = empty(workspaceId) ? workspace.id : workspaceId
