{{/* What values.schema.json cannot say: values that are right one by one and wrong together. */}}

{{- define "agora-snapshot-operator.validate" -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.leaderElection.enabled) -}}
{{- fail (printf "replicaCount is %d, but leaderElection.enabled is false: several operators without a leader would all work on every job. Set leaderElection.enabled=true or replicaCount=1" (int .Values.replicaCount)) -}}
{{- end -}}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret -}}
{{- fail "caBundle.configMap and caBundle.secret are both set: the CA bundle comes from one of them. Put all certificates into one and unset the other" -}}
{{- end -}}
{{- if and .Values.podDisruptionBudget.enabled (not (kindIs "invalid" .Values.podDisruptionBudget.minAvailable)) (not (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) -}}
{{- fail "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: a PodDisruptionBudget takes one of them. Set the other to null" -}}
{{- end -}}
{{- if and .Values.rbac.create (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail (printf "serviceAccount.create is false and serviceAccount.name is empty: rbac.create would grant the operator's rights to the account default, and so to every pod of %s that names no other. Set serviceAccount.name to the account that you made, or rbac.create=false" .Release.Namespace) -}}
{{- end -}}
{{- include "agora-snapshot-operator.validateNamespaces" . -}}
{{- with .Values.metrics -}}
{{- if and .podMonitor.enabled .serviceMonitor.enabled -}}
{{- fail "metrics.podMonitor.enabled and metrics.serviceMonitor.enabled are both true: every pod would be scraped twice. Enable one of them" -}}
{{- end -}}
{{- if and .serviceMonitor.enabled (not .service.enabled) -}}
{{- fail "metrics.serviceMonitor.enabled is true, but metrics.service.enabled is false: there is no Service to scrape. Enable it, or use metrics.podMonitor" -}}
{{- end -}}
{{- if and (not .enabled) (or .podMonitor.enabled .serviceMonitor.enabled) -}}
{{- fail "metrics.enabled is false, but a PodMonitor or ServiceMonitor is enabled: nothing could be scraped. Set metrics.enabled=true or disable the monitor" -}}
{{- end -}}
{{- end -}}
{{- $ports := list (int .Values.metrics.port) (int .Values.health.port) -}}
{{- if .Values.notifications.enabled -}}
{{- $ports = append $ports (int .Values.notifications.port) -}}
{{- end -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail (printf "two of metrics.port, health.port and notifications.port are the same (%s): each is served apart. Change one of them" (join ", " $ports)) -}}
{{- end -}}
{{- with .Values.notifications -}}
{{- if and .ingress.enabled (not .enabled) -}}
{{- fail "notifications.ingress.enabled is true, but notifications.enabled is false: the Ingress would lead nowhere. Set notifications.enabled=true" -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.host) -}}
{{- fail "notifications.ingress.enabled is true, but notifications.ingress.host is empty: Agora sends to one host, by https. Set notifications.ingress.host" -}}
{{- end -}}
{{- end -}}
{{- /* Said here and not by the schema, whose words would repeat the password. */ -}}
{{- $urls := dict "proxy.http" (list .Values.proxy.http) "proxy.https" (list .Values.proxy.https) "storage.endpoint" (list .Values.storage.endpoint) "agora.endpoints" .Values.agora.endpoints -}}
{{- range $key, $list := $urls -}}
{{- range $list -}}
{{- if contains "@" . -}}
{{- fail (printf "%s has a user or password, which everybody could read in the Deployment: for a proxy set HTTP_PROXY or HTTPS_PROXY in extraEnv with valueFrom.secretKeyRef; other URLs must have none" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $own := include "agora-snapshot-operator.ownEnv" . | fromYamlArray -}}
{{- range $given := .Values.extraEnv -}}
{{- range $own -}}
{{- if eq .name $given.name -}}
{{- fail (printf "extraEnv has %s, which the chart sets itself: leave it out there, or unset the value that sets it (proxy.*)" $given.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
