{{/* What an endpoint of a PodMonitor and one of a ServiceMonitor have in common. */}}
{{- define "pacer.endpoint" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
relabelings:
# `workload`, for the dashboard: the pod's controller, which of a Deployment's pod is a ReplicaSet with a hash in its name, and
# of a CronJob's a Job with a time. A pod without one is its own.
- {sourceLabels: [__meta_kubernetes_pod_name], targetLabel: workload}
- sourceLabels: [__meta_kubernetes_pod_controller_name]
  regex: (.+)
  targetLabel: workload
- sourceLabels: [__meta_kubernetes_pod_controller_kind, __meta_kubernetes_pod_controller_name]
  regex: ReplicaSet;(.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}
  targetLabel: workload
- sourceLabels: [__meta_kubernetes_pod_controller_kind, __meta_kubernetes_pod_controller_name]
  regex: Job;(.+)-[0-9]{8,}
  targetLabel: workload
{{- with .relabelings }}
{{ toYaml . }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Labels of an object for one of the operators: the chart's own, then those of the values. */}}
{{- define "pacer.labelsWith" -}}
{{ include "pacer.labels" .root }}
{{- with .labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
