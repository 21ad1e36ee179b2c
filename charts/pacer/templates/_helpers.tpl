{{/* Base of every name. A release may have dots in its name, a Service must not. */}}
{{- define "pacer.name" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- if contains "pacer" $release -}}
{{- $release | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-pacer" ($release | trunc 44 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "pacer.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: pacer
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The image by digest or tag; without a repository, a refusal that says how to come by one. */}}
{{- define "pacer.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if not .Values.image.repository -}}
{{- fail (include "pacer.image.missing" (dict "version" .Chart.AppVersion)) -}}
{{- else if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "pacer.image.missing" }}
image.repository is empty, and no image of pacer is published yet. Build one, then push it or import it:
    make image
    skopeo copy docker-archive:target/image/pacer.tar docker://REGISTRY/pacer:{{ .version }}
        and give: --set image.repository=REGISTRY/pacer
    ctr --namespace k8s.io images import target/image/pacer.tar        (on every node)
        and give: --set image.repository=docker.io/library/pacer
{{ end -}}

{{/* Whose metrics, and whose port: every way to add the sidecar sets this label. */}}
{{- define "pacer.selector" -}}
matchLabels:
  pacer.dev/injected: "true"
{{- end -}}
