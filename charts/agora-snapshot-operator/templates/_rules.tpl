{{/* What the operator and its uninstall hook may do: every right once, for Role and ClusterRole. */}}

{{/* The operator's, in every watched namespace. */}}
{{- define "agora-snapshot-operator.rules" -}}
- apiGroups: [agora-snapshot.dev]
  resources: [snapshotjobs]
  # patch: the finalizer. delete: finished jobs whose time is over.
  verbs: [get, list, watch, patch, delete]
- apiGroups: [agora-snapshot.dev]
  resources: [snapshotjobs/status]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: {{ .Values.secrets.watch | ternary "[get, list, watch]" "[get]" }}
- apiGroups: [events.k8s.io]
  resources: [events]
  # patch: what is told again.
  verbs: [create, patch]
{{- end -}}

{{/* The hook's, in every watched namespace: it looks at jobs once, and deletes none. */}}
{{- define "agora-snapshot-operator.drainRules" -}}
- apiGroups: [agora-snapshot.dev]
  resources: [snapshotjobs]
  # patch: the finalizer.
  verbs: [get, list, patch]
- apiGroups: [agora-snapshot.dev]
  resources: [snapshotjobs/status]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{ include "agora-snapshot-operator.eventRules" . }}
{{- end -}}

{{/* Events, each told once. */}}
{{- define "agora-snapshot-operator.eventRules" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}

{{/* The same for the release's namespace, about jobs of namespaces that are going, where no other role covers it; else
     nothing. */}}
{{- define "agora-snapshot-operator.ownEventRules" -}}
{{- if and .Values.watchNamespaces (not (has .Release.Namespace .Values.watchNamespaces)) -}}
{{- include "agora-snapshot-operator.eventRules" . -}}
{{- end -}}
{{- end -}}

{{/* The Lease. A creation cannot be limited by name: the name is not known when it is authorized. */}}
{{- define "agora-snapshot-operator.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "agora-snapshot-operator.leaseName" . | quote }}]
  verbs: [get, update]
{{- end -}}

{{/* Roles and bindings that grant the rules where jobs are watched
     (root, component, ending, serviceAccount, rules). */}}
{{- define "agora-snapshot-operator.grants" -}}
{{- $root := .root -}}
{{- $labels := include "agora-snapshot-operator.labels" (dict "root" $root "component" .component) -}}
{{- $rules := .rules -}}
{{- $namespaces := uniq $root.Values.watchNamespaces -}}
{{- $kind := empty $namespaces | ternary "ClusterRole" "Role" -}}
{{- $name := printf "%s%s" (include "agora-snapshot-operator.fullname" $root) .ending -}}
{{- if not $namespaces -}}
{{- $name = printf "%s%s" (include "agora-snapshot-operator.clusterName" $root) .ending -}}
{{- end -}}
{{- $serviceAccount := .serviceAccount -}}
{{- range $namespace := $namespaces | default (list "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name | quote }}
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name | quote }}
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ $serviceAccount | quote }}
    namespace: {{ $root.Release.Namespace | quote }}
{{- end }}
{{- end -}}

{{/* A Role in the release's namespace and its binding (root, component, ending, serviceAccount, rules, annotations). */}}
{{- define "agora-snapshot-operator.localGrant" -}}
{{- $name := printf "%s%s" (include "agora-snapshot-operator.fullname" .root) .ending -}}
{{- $labels := include "agora-snapshot-operator.labels" . -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name | quote }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- $labels | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ .serviceAccount | quote }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end -}}
