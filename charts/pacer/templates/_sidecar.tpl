{{/*
pacer.sidecar: the one container spec, for the first place of a pod's initContainers.

  {{ include "pacer.sidecar" (dict "pacer" $) }}

Arguments, in a dict:
  pacer         the chart's root; in a chart that depends on this one: .Subcharts.pacer
  upstream      base URL of the API; default: the value injection.upstream
  apiKeySecret  {name, key}: a Secret of the pod's namespace; default, also of the key alone: injection.apiKeySecret
  policy        name of the policy, or "" for none; default: what the pod's label pacer.dev/policy says

The pod needs the volumes of `pacer.volumes`, which takes the same arguments, and the label pacer.dev/injected: "true".
*/}}
{{- define "pacer.sidecar" -}}
{{- $sidecar := .pacer.Values.sidecar -}}
{{- $extra := include "pacer.sidecar.extra" .pacer | fromJsonArray -}}
name: pacer
image: {{ include "pacer.image" .pacer | quote }}
imagePullPolicy: {{ .pacer.Values.image.pullPolicy }}
args: [run]
# Makes it a sidecar: it starts before the application, and ends after it.
restartPolicy: Always
ports:
- {name: pacer-admin, containerPort: 9191, protocol: TCP}
env:
{{- if not (hasKey . "policy") }}
- name: SIDECAR_POLICY
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: "metadata.labels['pacer.dev/policy']"}}
{{- else if .policy }}
- {name: SIDECAR_POLICY, value: {{ .policy | quote }}}
{{- end }}
{{- with $sidecar.policyNamespace }}
- {name: SIDECAR_POLICY_NAMESPACE, value: {{ . | quote }}}
{{- end }}
# Set even where they are the defaults: the kubelet sets SIDECAR_PORT in every pod beside a Service called `sidecar`.
{{- if not (has "SIDECAR_PORT" $extra) }}
- {name: SIDECAR_PORT, value: "9190"}
{{- end }}
- {name: SIDECAR_METRICS_PORT, value: "9191"}
- {name: SIDECAR_POLICY_CACHE, value: /var/cache/pacer/policy.json}
- {name: SIDECAR_UPSTREAM, value: {{ .upstream | default .pacer.Values.injection.upstream | toRawJson }}}
- {name: SIDECAR_PROVIDER, value: {{ $sidecar.provider | quote }}}
{{- if include "pacer.key" . }}
- {name: SIDECAR_API_KEY_FILE, value: /var/run/secrets/pacer/api-key}
{{- end }}
- {name: SIDECAR_DRAIN_SECONDS, value: {{ int64 $sidecar.drainSeconds | quote }}}
- {name: SIDECAR_LOG_LEVEL, value: {{ $sidecar.logLevel | quote }}}
- {name: SIDECAR_LOG_FORMAT, value: {{ $sidecar.logFormat }}}
{{- with $sidecar.extraEnv }}
{{ toYaml . }}
{{- end }}
# The start does not wait for the network: a policy is decided within 5 seconds, from the cache or the environment.
startupProbe:
  httpGet: {path: /startupz, port: 9191}
  periodSeconds: 1
  failureThreshold: 30
readinessProbe:
  httpGet: {path: /readyz, port: 9191}
  periodSeconds: 10
  failureThreshold: 3
# A restart breaks every open stream, so it comes late.
livenessProbe:
  httpGet: {path: /livez, port: 9191}
  periodSeconds: 10
  timeoutSeconds: 2
  failureThreshold: 6
{{- with $sidecar.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
- {name: pacer-cache, mountPath: /var/cache/pacer}
- {name: pacer-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- if include "pacer.key" . }}
- {name: pacer-key, mountPath: /var/run/secrets/pacer, readOnly: true}
{{- end }}
{{- end -}}

{{/* pacer.volumes: what the pod of `pacer.sidecar` needs; the same arguments. */}}
{{- define "pacer.volumes" -}}
- name: pacer-cache
  emptyDir: {sizeLimit: 1Mi}
# Its own token: many applications turn the mount of theirs off.
- name: pacer-token
  projected:
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3607}
    - configMap:
        name: kube-root-ca.crt
        items:
        - {key: ca.crt, path: ca.crt}
    - downwardAPI:
        items:
        - {path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
{{- if include "pacer.key" . }}
{{- $key := include "pacer.key" . | fromJson }}
- name: pacer-key
  secret:
    secretName: {{ $key.name | toRawJson }}
    items:
    - {key: {{ $key.key | quote }}, path: api-key}
{{- end }}
{{- end -}}

{{/* The Secret with the key as JSON, or nothing. */}}
{{- define "pacer.key" -}}
{{- $default := .pacer.Values.injection.apiKeySecret -}}
{{- $key := .apiKeySecret | default $default -}}
{{- if $key.name -}}
{{- dict "name" $key.name "key" ($key.key | default $default.key) | toRawJson -}}
{{- end -}}
{{- end -}}

{{/*
The names in sidecar.extraEnv, as JSON. A name that is set twice is an error under server-side apply, and nobody would
know which one counts.
*/}}
{{- define "pacer.sidecar.extra" -}}
{{- $own := list "SIDECAR_POLICY" "SIDECAR_POLICY_NAMESPACE" "SIDECAR_POLICY_CACHE" "SIDECAR_UPSTREAM" "SIDECAR_PROVIDER" "SIDECAR_API_KEY" "SIDECAR_API_KEY_FILE" "SIDECAR_DRAIN_SECONDS" "SIDECAR_LOG_LEVEL" "SIDECAR_LOG_FORMAT" -}}
{{- $names := list -}}
{{- range .Values.sidecar.extraEnv -}}
{{- if has .name $own -}}
{{- fail (printf "sidecar.extraEnv sets %s, which the chart sets from a value of its own: use sidecar.*, injection.* or example.*" .name) -}}
{{- else if eq .name "SIDECAR_METRICS_PORT" -}}
{{- fail "sidecar.extraEnv sets SIDECAR_METRICS_PORT, and the pod would never start: probes and monitors ask port 9191" -}}
{{- else if has .name $names -}}
{{- fail (printf "sidecar.extraEnv sets %s twice" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}
