{{/* Names follow the release. 45 characters leave room for the longest suffix,
-certs-12345678, within a label's 63, and for a CronJob's 52. */}}
{{- define "name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "name" . -}}
{{- contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "webhook.name" -}}{{ include "fullname" . }}-webhook{{- end -}}
{{- define "certs.name" -}}{{ include "fullname" . }}-certs{{- end -}}

{{/* The webhook in the configuration. It names the product, not the release:
it is what people see in denials and in the API server's metrics. */}}
{{- define "webhook.webhook" -}}pods.inject.prom-remotewrite{{- end -}}

{{/* The name under which API servers call the webhook. */}}
{{- define "webhook.host" -}}
{{ include "webhook.name" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "certificates.secret" -}}
{{- if eq .Values.certificates.mode "provided" -}}
{{ .Values.certificates.provided.secretName }}
{{- else -}}
{{ include "webhook.name" . }}-tls
{{- end -}}
{{- end -}}

{{/* What never changes for the objects of one part: (dict "root" $ "part" "webhook"). */}}
{{- define "selector" -}}
app.kubernetes.io/name: {{ include "name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image by its key: (dict "root" $ "image" "webhook"). */}}
{{- define "image" -}}
{{- $images := .root.Values.images -}}
{{- $image := index $images .image -}}
{{- $path := printf "%s/%s" (trimSuffix "/" $images.registry) $image.name -}}
{{- if $image.digest -}}
{{ $path }}@{{ $image.digest }}
{{- else -}}
{{ $path }}:{{ $images.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* What Pod Security demands of a restricted pod, and of its containers. */}}
{{- define "pod.security" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "container.security" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
{{- end -}}

{{- define "pull.secrets" -}}
{{- range .Values.images.pullSecrets }}
- name: {{ . }}
{{- end }}
{{- end -}}

{{/* The sidecar's mode, where values leave it to the cluster's version. */}}
{{- define "sidecar.mode" -}}
{{- $version := .Capabilities.KubeVersion.Version -}}
{{- $native := semverCompare ">=1.29.0-0" $version -}}
{{- $mode := .Values.config.sidecarMode -}}
{{- $asked := dict "config.sidecarMode" $mode -}}
{{- range $name, $profile := .Values.config.profiles -}}
{{- $_ := set $asked (printf "config.profiles.%s.sidecarMode" $name) ($profile.sidecarMode | default "auto") -}}
{{- end -}}
{{- range $path, $mode := $asked -}}
{{- if and (eq $mode "native") (not $native) -}}
{{- fail (printf "%s=native needs Kubernetes 1.29, and this cluster has %s: set it to auto or container" $path $version) -}}
{{- end -}}
{{- end -}}
{{- eq $mode "auto" | ternary (ternary "native" "container" $native) $mode -}}
{{- end -}}
