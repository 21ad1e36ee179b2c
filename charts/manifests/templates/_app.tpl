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
