{{/* The API reads its environment; none of it is secret (the pseudonyms' key is named by its ARN). */}}
{{- define "service.own" -}}
env:
  - name: HOST
    value: "0.0.0.0"
  - name: PORT
    value: {{ .Values.port | quote }}
  {{- range $name, $value := .Values.configuration }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
volumeMounts:
  - name: scratch
    mountPath: /tmp
{{- end }}

{{- define "service.volumes" }}{{- end }}
