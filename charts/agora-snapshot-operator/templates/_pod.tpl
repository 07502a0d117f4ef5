{{/* What the pods of the operator, of the uninstall hook and of the test have in common. */}}

{{- define "agora-snapshot-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s%s@%s" .repository (.tag | empty | ternary "" (printf ":%s" .tag)) .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fields of the pod before its containers (root, serviceAccount). */}}
{{- define "agora-snapshot-operator.podSpec" -}}
serviceAccountName: {{ .serviceAccount | quote }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Fields of every container. */}}
{{- define "agora-snapshot-operator.container" -}}
image: {{ include "agora-snapshot-operator.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end -}}

{{/* The environment of every container: the chart's own part, and all of it. */}}
{{- define "agora-snapshot-operator.ownEnv" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- if .Values.notifications.enabled }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
{{- with .Values.proxy.http }}
- name: HTTP_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.https }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "agora-snapshot-operator.env" -}}
{{- include "agora-snapshot-operator.ownEnv" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Flags with which `run`, `drain` and `check` find the same jobs. */}}
{{- define "agora-snapshot-operator.watchFlags" -}}
{{- range $index, $namespace := uniq .Values.watchNamespaces }}
{{- $index | eq 0 | ternary "" "\n" }}- --watch-namespace={{ $namespace }}
{{- end }}
{{- end -}}

{{/* Flags that tell `run` and `check` which rights beyond the usual ones are used; nothing where there are none. */}}
{{- define "agora-snapshot-operator.rightsFlags" -}}
{{- if .Values.secrets.watch -}}
- --watch-secrets
{{ end }}
{{- if .Values.leaderElection.enabled -}}
- --leader-election
- --leader-election-lease-name={{ include "agora-snapshot-operator.leaseName" . }}
{{- end }}
{{- end -}}

{{/* Flags with which `run` and `drain` reach Agora and storage. */}}
{{- define "agora-snapshot-operator.reachFlags" -}}
- --agora-region={{ .Values.agora.region }}
{{- range .Values.agora.endpoints }}
- --agora-endpoint={{ . }}
{{- end }}
{{- with .Values.storage.endpoint }}
- --storage-endpoint={{ . }}
{{- end }}
{{- if include "agora-snapshot-operator.caBundleVolume" . }}
- --ca-bundle=/etc/agora-snapshot-operator/ca-bundle/ca.crt
{{- end }}
{{- with include "agora-snapshot-operator.watchFlags" . }}
{{ . }}
{{- end }}
{{- end -}}

{{/* The CA bundle as a volume; nothing where there is none. */}}
{{- define "agora-snapshot-operator.caBundleVolume" -}}
{{- with .Values.caBundle }}
{{- if .configMap -}}
- name: ca-bundle
  configMap:
    name: {{ .configMap | quote }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- else if .secret -}}
- name: ca-bundle
  secret:
    secretName: {{ .secret | quote }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "agora-snapshot-operator.caBundleMount" -}}
{{- if include "agora-snapshot-operator.caBundleVolume" . -}}
- name: ca-bundle
  mountPath: /etc/agora-snapshot-operator/ca-bundle
  readOnly: true
{{- end -}}
{{- end -}}
