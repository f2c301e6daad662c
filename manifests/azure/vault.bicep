// Lets one identity read the secrets of a vault. It is a module because a role is
// assigned in the resource group of the vault.

targetScope = 'resourceGroup'

param vaultName string
param principalId string

// Key Vault Secrets User. A certificate's private key is only in its secret, so
// a role for certificates is not sufficient. It applies if the vault uses Azure's
// role-based access (enableRbacAuthorization), not access policies.
var secretsUserRole = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, secretsUserRole)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUserRole)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
