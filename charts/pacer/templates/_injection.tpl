{{/* Which pods both policies look at. */}}
{{- define "pacer.injection.match" -}}
matchConstraints:
  resourceRules:
  - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  objectSelector:
    matchLabels: {pacer.dev/inject: "true"}
  {{- with .Values.injection.excludedNamespaces }}
  namespaceSelector:
    matchExpressions:
    - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ toJson . }}}
  {{- end }}
{{- end -}}

{{/* The container as CEL, with the upstream and, for `key` true, the Secret of the namespace. */}}
{{- define "pacer.injection.container" -}}
{{- $secret := .key | ternary (dict "cel" "variables.secret") "" -}}
{{- $arguments := dict "pacer" .root "upstream" (dict "cel" "variables.upstream") "apiKeySecret" (dict "name" $secret "key" .root.Values.injection.apiKeySecret.key) -}}
{{- include "pacer.cel" (include "pacer.sidecar" $arguments | fromYaml) -}}
{{- end -}}

{{/* One patch a volume. `key` true: only the volume of the key. */}}
{{- define "pacer.injection.volumes" -}}
{{- $secret := .key | ternary (dict "cel" "variables.secret") "" -}}
{{- $arguments := dict "pacer" .root "apiKeySecret" (dict "name" $secret "key" .root.Values.injection.apiKeySecret.key) -}}
{{- $patches := list -}}
{{- range include "pacer.volumes" $arguments | fromYamlArray -}}
{{- if eq $.key (eq .name "pacer-key") -}}
{{- $patches = append $patches (printf "JSONPatch{op: \"add\", path: \"/spec/volumes/-\", value: %s}" (include "pacer.cel" .)) -}}
{{- end -}}
{{- end -}}
{{- printf "[%s]" (join ",\n" $patches) -}}
{{- end -}}
