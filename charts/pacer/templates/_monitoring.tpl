{{/* What an endpoint of a PodMonitor and one of a ServiceMonitor have in common. */}}
{{- define "pacer.endpoint" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Labels of an object for one of the operators: the chart's own and those of the values, which win. */}}
{{- define "pacer.labelsWith" -}}
{{ merge (dict) .labels (include "pacer.labels" .root | fromYaml) | toYaml }}
{{- end -}}
