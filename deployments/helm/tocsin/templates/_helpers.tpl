{{- define "tocsin.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "tocsin.labels" -}}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: tocsin
{{ include "tocsin.selector" . }}
{{- end }}

{{- define "tocsin.selector" -}}
app.kubernetes.io/name: tocsin
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tocsin.image" -}}
{{ .root.Values.image.registry }}/{{ .image }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "tocsin.natsURL" -}}
{{- if .Values.nats.enabled -}}nats://{{ include "tocsin.name" . }}-nats:4222
{{- else -}}{{ required "nats.url is needed when nats.enabled is false" .Values.nats.url }}{{- end -}}
{{- end }}

{{- define "tocsin.tokensSecret" -}}
{{ .Values.router.tokensSecret | default (printf "%s-tokens" (include "tocsin.name" .)) }}
{{- end }}

{{- define "tocsin.sensorConfig" -}}
{{- $sensor := dict "listen" "0.0.0.0:8701" "metrics_token" "${file:/run/secrets/tocsin/metrics-token}" "container" (dict "cri" .Values.sensor.criSocket) "kubernetes" (dict "enabled" "on" "node" "${env:NODE_NAME}") -}}
{{- if .Values.sensor.rules }}{{- $_ := set $sensor "rules" (list "/etc/tocsin/rules") }}{{- end -}}
{{- $base := dict "version" 1 "cluster" .Values.cluster "host" "${env:NODE_NAME}" "nats" (dict "url" (include "tocsin.natsURL" .)) "sensor" $sensor -}}
{{- toYaml (mergeOverwrite $base .Values.sensor.config) -}}
{{- end }}

{{- define "tocsin.routerConfig" -}}
{{- $base := dict "version" 1 "cluster" .Values.cluster "nats" (dict "url" (include "tocsin.natsURL" .)) "server" (dict "listen" "0.0.0.0:8700" "tokens" "${file:/run/secrets/tocsin/tokens}") -}}
{{- toYaml (mergeOverwrite $base .Values.router.config) -}}
{{- end }}
