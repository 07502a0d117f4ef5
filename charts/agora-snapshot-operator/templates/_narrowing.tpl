{{/* Refuses an upgrade that would leave jobs behind: a job with the operator's finalizer in a namespace that is no longer
     watched keeps its session, and once deleted waits for ever. Only Helm on a cluster can tell: elsewhere (helm
     template, Argo CD, a dry run on the client) lookup finds nothing, and nothing is refused. */}}

{{- define "agora-snapshot-operator.validateNamespaces" -}}
{{- $kept := .Values.watchNamespaces -}}
{{- if and .Release.IsUpgrade $kept (.Capabilities.APIVersions.Has "agora-snapshot.dev/v1alpha1/SnapshotJob") -}}
{{- $own := include "agora-snapshot-operator.selectorLabels" (dict "root" . "component" "operator") | fromYaml -}}
{{- $left := list -}}
{{- /* By labels and not by name, which another nameOverride changes. */ -}}
{{- range $deployment := (lookup "apps/v1" "Deployment" .Release.Namespace "").items -}}
{{- $labels := default dict $deployment.metadata.labels -}}
{{- $ours := true -}}
{{- range $label, $value := $own -}}
{{- $ours = and $ours (eq (toString (get $labels $label)) $value) -}}
{{- end -}}
{{- if $ours -}}
{{- $watched := list -}}
{{- range (index $deployment.spec.template.spec.containers 0).args -}}
{{- if hasPrefix "--watch-namespace=" . -}}
{{- $watched = append $watched (trimPrefix "--watch-namespace=" .) -}}
{{- end -}}
{{- end -}}
{{- /* Without the flag it watches all namespaces, which is what an empty name asks for. */ -}}
{{- range $namespace := $watched | default (list "") -}}
{{- if not (has $namespace $kept) -}}
{{- range $job := (lookup "agora-snapshot.dev/v1alpha1" "SnapshotJob" $namespace "").items -}}
{{- $held := has "agora-snapshot.dev/session" (default list $job.metadata.finalizers) -}}
{{- if and $held (not (has $job.metadata.namespace $kept)) -}}
{{- $left = append $left (printf "%s/%s" $job.metadata.namespace $job.metadata.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $left -}}
{{- $more := gt (len $left) 10 | ternary (printf " and %d more" (sub (len $left) 10)) "" -}}
{{- fail (printf "watchNamespaces would no longer have the namespaces of %s%s, which the operator holds by a finalizer: their sessions would go on, and deleted they would wait for ever. Delete these SnapshotJobs first, or keep their namespaces in watchNamespaces" (join ", " (slice $left 0 (min 10 (len $left)))) $more) -}}
{{- end -}}
{{- end -}}
{{- end -}}
