{{/* Names follow the release. 45 characters leave room for the longest suffix
within a label's 63. A release's name may have dots, which a Service's may not. A name
that someone chose is never cut: two that begin alike would become one. */}}
{{- define "name" -}}
{{- include "chosen.name" (dict "key" "nameOverride" "name" .Values.nameOverride) | default .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "chosen.name" (dict "key" "fullnameOverride" "name" .Values.fullnameOverride) -}}
{{- else -}}
{{- include "derived.name" . | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a release, as long as it is. */}}
{{- define "derived.name" -}}
{{- $name := include "name" . -}}
{{- contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) | replace "." "-" -}}
{{- end -}}

{{/* A name from values, which must be short enough: (dict "key" … "name" …). */}}
{{- define "chosen.name" -}}
{{- $name := .name | default "" -}}
{{- if gt (len $name) 45 -}}
{{- fail (printf "%s is %q, which has %d characters: expected at most 45, because a Service's name and a label have at most 63, and the chart's endings, such as -webhook-test, need the rest" .key $name (len $name)) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "webhook.name" -}}{{ include "fullname" . }}-webhook{{- end -}}
{{- define "certs.name" -}}{{ include "fullname" . }}-certs{{- end -}}

{{/* Whether a Deployment keeps the API server's trust in the certificate. */}}
{{- define "certs.enabled" -}}
{{- $certificates := .Values.certificates -}}
{{- if or (ne $certificates.mode "provided") $certificates.provided.caBundle -}}true{{- end -}}
{{- end -}}

{{/* The webhook in the configuration. It names the product, not the release:
it is what people see in denials and in the API server's metrics. */}}
{{- define "webhook.webhook" -}}pods.inject.prom-remotewrite{{- end -}}

{{/*
caBundle of the webhook, in base64. If there is none yet, it is the one that values provide,
so that the webhook is trusted before certs runs. Otherwise it is left out, so that neither
a rollback nor a GitOps tool puts an old one back. But Helm would remove what it has written
itself: that stays as it is until certs owns it, or for ever where Helm merges by itself
("Update": Helm 3), because it then removes it whoever else owns it.
*/}}
{{- define "webhook.bundle" -}}
{{- $webhook := include "webhook.webhook" . -}}
{{- $key := printf "k:{\"name\":%q}" $webhook -}}
{{- $live := lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" (include "fullname" .) -}}
{{- $current := "" -}}
{{- range $live.webhooks -}}
{{- if eq .name $webhook -}}{{- $current = .clientConfig.caBundle -}}{{- end -}}
{{- end -}}
{{- $helm := "" -}}
{{- $certs := false -}}
{{- range (dig "metadata" "managedFields" list $live) -}}
{{- if hasKey (dig "f:webhooks" $key "f:clientConfig" dict (.fieldsV1 | default dict)) "f:caBundle" -}}
{{- $manager := .manager | default "" -}}
{{- if contains "helm" $manager -}}{{- $helm = .operation -}}{{- end -}}
{{- if eq $manager "prom-remotewrite-certs" -}}{{- $certs = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if $current -}}
{{- if or (eq $helm "Update") (and $helm (not $certs)) -}}{{- $current -}}{{- end -}}
{{- else if eq .Values.certificates.mode "provided" -}}
{{- .Values.certificates.provided.caBundle | default "" | b64enc -}}
{{- end -}}
{{- end -}}

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
app.kubernetes.io/name: {{ include "name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{/* Labels of an object. A key is written once, and what the chart says of an
object goes before commonLabels. */}}
{{- define "labels" -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict
  "app.kubernetes.io/version" (.root.Chart.AppVersion | toString)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" $chart -}}
{{- mustMergeOverwrite (dict) (.root.Values.commonLabels | default dict) (.labels | default dict) $own (include "selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Labels of a pod: (dict "root" $ "part" "webhook" "labels" …). A mesh's
container is of no use beside these programs, and keeps API servers out where it
demands mutual TLS; commonLabels and labels can say otherwise. */}}
{{- define "pod.labels" -}}
{{- $meshes := dict
  "sidecar.istio.io/inject" "false"
  "istio.io/dataplane-mode" "none"
  "kuma.io/sidecar-injection" "disabled" -}}
{{- mustMergeOverwrite $meshes (.root.Values.commonLabels | default dict) (.labels | default dict) (include "selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Annotations of a pod: (dict "container" "webhook" "annotations" …). */}}
{{- define "pod.annotations" -}}
{{- $own := dict
  "kubectl.kubernetes.io/default-container" .container
  "sidecar.istio.io/inject" "false"
  "linkerd.io/inject" "disabled"
  "consul.hashicorp.com/connect-inject" "false" -}}
{{- mustMergeOverwrite $own (.annotations | default dict) | toYaml -}}
{{- end -}}

{{/* An image by its key: (dict "root" $ "image" "webhook"). Its own registry and
tag go before those of all images. */}}
{{- define "image" -}}
{{- $images := .root.Values.images -}}
{{- $image := index $images .image -}}
{{- if $image.digest -}}
{{ include "image.path" . }}@{{ $image.digest }}
{{- else -}}
{{ include "image.path" . }}:{{ $image.tag | default $images.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The same without tag and digest. */}}
{{- define "image.path" -}}
{{- $images := .root.Values.images -}}
{{- $image := index $images .image -}}
{{ $image.registry | default $images.registry | trimSuffix "/" }}/{{ $image.repository | default $image.name }}
{{- end -}}

{{/* Which pods API servers ask about, by namespace and labels: the same for the
webhook and for the policy that finds pods without a sidecar. */}}
{{- define "selectors" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values:
        {{- concat (list "kube-system" "kube-public" "kube-node-lease") .Values.webhook.excludedNamespaces | uniq | toYaml | nindent 8 }}
    # The two that the admissions enforcer of AKS adds; without them a GitOps tool
    # and the enforcer would undo each other's work.
    - {key: control-plane, operator: NotIn, values: ["true"]}
    - {key: kubernetes.azure.com/managedby, operator: NotIn, values: [aks]}
    {{- with .Values.webhook.namespaceSelector }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
objectSelector:
  {{- toYaml .Values.webhook.objectSelector | nindent 2 }}
{{- end -}}

{{/* What happens to a pod that asks for a sidecar and has none: deny, warn or off;
off where the cluster has no ValidatingAdmissionPolicy. Helm reads off without quotes
as false. */}}
{{- define "policy.action" -}}
{{- $action := (.Values.validatingAdmissionPolicy).action -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}
{{ kindIs "bool" $action | ternary "off" ($action | default "deny") }}
{{- else -}}
off
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
- name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
{{- end }}
{{- end -}}

{{/* The pod of helm test in a NetworkPolicy: it connects to both ports of each replica. */}}
{{- define "test.peer" -}}
- podSelector:
    matchLabels:
      {{- include "selector" (dict "root" . "part" "test") | nindent 6 }}
{{- end -}}

{{/* What surrounds the pod of `helm test`: made before it, and deleted with it. */}}
{{- define "test.hook" -}}
helm.sh/hook: test
helm.sh/hook-weight: "-1"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end -}}

{{/* How often an endpoint of a PodMonitor is scraped. */}}
{{- define "scrape" -}}
interval: {{ .Values.podMonitor.interval }}
{{- with .Values.podMonitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- end -}}

{{/* A duration such as 1m30s in seconds. */}}
{{- define "seconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $sum = addf $sum (mulf (float64 $number) (get (dict "ms" 1e-3 "s" 1.0 "m" 60.0 "h" 3600.0) (trimPrefix $number .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* An amount of CPU or memory as a number: 250m is 0.25. */}}
{{- define "amount" -}}
{{- $number := regexFind "^[0-9.]+([eE][-+]?[0-9]+)?" (toString .) -}}
{{- $factors := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "" 1.0
  "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
  "Ki" 0x1p10 "Mi" 0x1p20 "Gi" 0x1p30 "Ti" 0x1p40 "Pi" 0x1p50 "Ei" 0x1p60 -}}
{{- mulf (float64 $number) (get $factors (trimPrefix $number (toString .))) -}}
{{- end -}}

{{/* The API server rejects a request above its limit: (dict "request" … "at" "…cpuRequest"
"limit" … "name" "cpuLimit"). */}}
{{- define "within.limit" -}}
{{- if and .request .limit (gt (include "amount" .request | float64) (include "amount" .limit | float64)) -}}
{{- fail (printf "%s is %v: expected at most %s, which is %v" .at .request .name .limit) -}}
{{- end -}}
{{- end -}}

{{/* A container's resources: (dict "resources" … "at" "webhook.resources"). */}}
{{- define "resources" -}}
{{- $limits := (.resources).limits | default dict -}}
{{- range $name, $request := (.resources).requests -}}
{{- $at := printf "%s.requests.%s" $.at $name -}}
{{- include "within.limit" (dict "request" $request "at" $at "limit" (get $limits $name) "name" "the limit") -}}
{{- end -}}
{{- .resources | default dict | toYaml -}}
{{- end -}}

{{/* Where a pod may run, by its part's values. */}}
{{- define "scheduling" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $ $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The webhook's configuration file. */}}
{{- define "config" -}}
{{- $_ := include "resources" (dict "resources" .Values.config.resources "at" "config.resources") -}}
{{- range $profile, $settings := .Values.config.profiles -}}
{{- if contains "," $profile -}}
{{- fail (printf "config.profiles has the key %q: expected a name without a comma, which separates profiles in an annotation" $profile) -}}
{{- end -}}
{{- range $kind := list "cpu" "memory" -}}
{{- $request := printf "%sRequest" $kind -}}
{{- $limit := printf "%sLimit" $kind -}}
{{- $at := printf "config.profiles.%s.%s" $profile $request -}}
{{- with $settings -}}
{{- include "within.limit" (dict "request" (get . $request) "at" $at "limit" (get . $limit) "name" $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
image: {{ include "image" (dict "root" . "image" "sidecar") | quote }}
{{ .Values.config | toYaml }}
{{- end -}}
