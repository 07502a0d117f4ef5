{{/* Names and labels of all objects of the chart. */}}

{{/* Room is left for the endings that the objects' names get: pods of a Job are labelled with its name, 63 at most. */}}
{{- define "agora-snapshot-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Names of objects without a namespace carry the release's, so that several operators can stand side by side. */}}
{{- define "agora-snapshot-operator.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "agora-snapshot-operator.fullname" .) -}}
{{- end -}}

{{- define "agora-snapshot-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "agora-snapshot-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The uninstall hook has an account of its own, as it may do more; where none may be created it uses the given one. */}}
{{- define "agora-snapshot-operator.uninstallServiceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- include "agora-snapshot-operator.fullname" . }}-uninstall
{{- else -}}
{{- include "agora-snapshot-operator.serviceAccountName" . -}}
{{- end -}}
{{- end -}}

{{- define "agora-snapshot-operator.leaseName" -}}
{{- default (include "agora-snapshot-operator.fullname" .) .Values.leaderElection.leaseName -}}
{{- end -}}

{{/* What selects the pods of a component (root, component). Only the operator's own are selected by its Deployment, whose
     selector Kubernetes never changes: no value has a part in it. */}}
{{- define "agora-snapshot-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of pods (root, component, optionally extra): without the versions, so that only a change of the pod itself
     replaces it. The chart's own win. */}}
{{- define "agora-snapshot-operator.podLabels" -}}
{{- $own := include "agora-snapshot-operator.selectorLabels" . | fromYaml -}}
{{- merge $own (default dict .extra) .root.Values.commonLabels | toYaml -}}
{{- end -}}

{{/* Labels of objects (root, component, optionally extra). */}}
{{- define "agora-snapshot-operator.labels" -}}
{{- $own := include "agora-snapshot-operator.selectorLabels" . | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/part-of" "agora-snapshot-operator" -}}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- merge $own (default dict .extra) .root.Values.commonLabels | toYaml -}}
{{- end -}}
