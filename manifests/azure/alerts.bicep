// The metric alerts that Microsoft recommends for an Azure Monitor workspace, with
// its thresholds: beyond a limit of the workspace, samples are lost without an error
// that a sender sees.
// https://learn.microsoft.com/azure/azure-monitor/metrics/azure-monitor-workspace-monitor-ingest-limits

targetScope = 'resourceGroup'

@description('The resource id of the workspace.')
param workspaceId string

@description('The resource ids of the action groups to notify.')
param actionGroupIds array

param tags object = {}

// Named after the workspace: clusters that share it share its alerts.
var workspaceName = last(split(workspaceId, '/'))

// Percent of the limit. At 75, request a higher one; at 95, series and samples are
// about to be dropped.
var alerts = [
  {
    name: 'series-75'
    metric: 'ActiveTimeSeriesPercentUtilization'
    percent: 75
    severity: 3
    description: 'More than 75 % of the active time series that the workspace accepts: request a higher limit.'
  }
  {
    name: 'series-95'
    metric: 'ActiveTimeSeriesPercentUtilization'
    percent: 95
    severity: 2
    description: 'More than 95 % of the active time series that the workspace accepts: new series are about to be dropped.'
  }
  {
    name: 'events-75'
    metric: 'EventsPerMinuteIngestedPercentUtilization'
    percent: 75
    severity: 3
    description: 'More than 75 % of the samples a minute that the workspace accepts: request a higher limit.'
  }
  {
    name: 'events-95'
    metric: 'EventsPerMinuteIngestedPercentUtilization'
    percent: 95
    severity: 2
    description: 'More than 95 % of the samples a minute that the workspace accepts: samples are about to be throttled.'
  }
]

resource limit 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alert in alerts: {
  name: '${workspaceName}-${alert.name}'
  location: 'global'
  tags: tags
  properties: {
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: alert.name
          metricNamespace: 'Microsoft.Monitor/accounts'
          metricName: alert.metric
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: alert.percent
        }
      ]
    }
    actions: [for id in actionGroupIds: {
      actionGroupId: id
    }]
  }
}]
