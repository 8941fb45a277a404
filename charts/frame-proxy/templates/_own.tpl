{{/* The proxy reads a file; none of it is secret (the pseudonyms' key is named by its ARN). */}}
{{- define "service.own" -}}
volumeMounts:
  - name: scratch
    mountPath: /tmp
  - name: configuration
    mountPath: /etc/imaging
    readOnly: true
{{- end }}

{{- define "service.volumes" -}}
- name: configuration
  configMap:
    name: {{ include "service.name" . }}
{{- end }}
