{{/* The certificate job's pod, for the Job and for the CronJob. */}}
{{- define "certs.pod" -}}
{{- $rotate := .Values.certificates.rotate -}}
metadata:
  labels:
    {{- include "pod.labels" (dict "root" $ "part" "certs") | nindent 4 }}
  annotations:
    {{- include "pod.annotations" (dict "container" "certs") | nindent 4 }}
spec:
  serviceAccountName: {{ include "certs.name" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with include "pull.secrets" . }}
  imagePullSecrets:
    {{- trim . | nindent 4 }}
  {{- end }}
  # A failed try stays with its log; the next one goes on where it ended.
  restartPolicy: Never
  securityContext:
    {{- include "pod.security" . | nindent 4 }}
  containers:
    - name: certs
      image: {{ include "image" (dict "root" $ "image" "certs") | quote }}
      imagePullPolicy: {{ .Values.images.pullPolicy }}
      args:
        - rotate
        - --namespace={{ .Release.Namespace }}
        - --secret={{ include "certificates.secret" . }}
        - --configuration={{ include "fullname" . }}
        - --webhook={{ include "webhook.webhook" . }}
        - --dns-name={{ include "webhook.host" . }}
        - --validity={{ $rotate.validity }}
        - --settle={{ $rotate.settle }}
        - --overlap={{ $rotate.overlap }}
        - --log-format={{ .Values.webhook.logFormat }}
      resources:
        {{- toYaml $rotate.resources | nindent 8 }}
      securityContext:
        {{- include "container.security" . | nindent 8 }}
  {{- with $rotate.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $rotate.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
