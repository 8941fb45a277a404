{{/* The pods: what the profile "restricted" of the Pod Security Standards asks, and a file system that nobody writes. */}}
{{- define "service.deployment" }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "service.name" . }}
  labels: {{- include "service.labels" . | nindent 4 }}
spec:
  # no `replicas`: the autoscaler owns the number, and an upgrade must not set it back
  revisionHistoryLimit: 5
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels: {{- include "service.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "service.labels" . | nindent 8 }}
      annotations:
        checksum/configuration: {{ toJson .Values.configuration | sha256sum }}
    spec:
      serviceAccountName: {{ include "service.name" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .Values.graceSeconds }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "service.selector" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: {{ .Chart.Name }}
          image: {{ printf "%s@%s" .Values.image.repository .Values.image.digest | quote }}
          imagePullPolicy: IfNotPresent
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          ports:
            - name: web
              containerPort: {{ .Values.port }}
          {{- include "service.own" . | nindent 10 }}
          resources: {{- toYaml .Values.resources | nindent 12 }}
          startupProbe: {{- include "service.probe" (list . .Values.probes.ready) | nindent 12 }}
            periodSeconds: 2
            failureThreshold: 30
          readinessProbe: {{- include "service.probe" (list . .Values.probes.ready) | nindent 12 }}
            periodSeconds: 5
            timeoutSeconds: 3
          livenessProbe: {{- include "service.probe" (list . .Values.probes.live) | nindent 12 }}
            periodSeconds: 15
            timeoutSeconds: 5
      volumes:
        - name: scratch
          emptyDir:
            sizeLimit: 64Mi
        {{- include "service.volumes" . | nindent 8 }}
{{- end }}

{{- define "service.probe" -}}
{{- $chart := index . 0 -}}
httpGet:
  path: {{ index . 1 }}
  port: web
  scheme: {{ $chart.Values.probes.scheme }}
{{- end }}
