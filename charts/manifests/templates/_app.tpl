{{/* The application: its SDK reads the base URL from the environment. */}}
{{- define "app" -}}
- name: app
  image: registry.example.com/my-app:1
  env:
  - {name: OPENAI_BASE_URL, value: "http://127.0.0.1:9190/v1"}
{{- end -}}

{{- define "labels" -}}
pacer.dev/injected: "true"
pacer.dev/policy: nvidia
{{- end -}}

{{/* What the component adds to a pod's spec. A strategic merge puts it in front of the init containers that are there. */}}
{{- define "component" -}}
{{- $arguments := dict "pacer" .Subcharts.pacer -}}
initContainers:
- {{ include "pacer.sidecar" $arguments | indent 2 | trim }}
volumes:
{{ include "pacer.volumes" $arguments }}
{{- end -}}
