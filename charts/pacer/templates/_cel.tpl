{{/*
pacer.cel: a value as a CEL expression, so that the admission policy injects what `pacer.sidecar` renders.

`dyn` around every value: CEL's literals must be homogeneous, and a container is not. A map whose one key is `cel` is an
expression that stands for itself.
*/}}
{{- define "pacer.cel" -}}
{{- if kindIs "map" . -}}
  {{- if and (eq (len .) 1) (hasKey . "cel") -}}
    {{- printf "dyn(%s)" .cel -}}
  {{- else -}}
    {{- $members := list -}}
    {{- range $name := keys . | sortAlpha -}}
      {{- $members = append $members (printf "%s: %s" (toRawJson $name) (include "pacer.cel" (get $ $name))) -}}
    {{- end -}}
    {{- printf "dyn({%s})" (join ", " $members) -}}
  {{- end -}}
{{- else if kindIs "slice" . -}}
  {{- $items := list -}}
  {{- range . -}}
    {{- $items = append $items (include "pacer.cel" .) -}}
  {{- end -}}
  {{- printf "dyn([%s])" (join ", " $items) -}}
{{- else -}}
  {{- printf "dyn(%s)" (toRawJson .) -}}
{{- end -}}
{{- end -}}
