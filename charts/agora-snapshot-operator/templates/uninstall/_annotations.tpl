{{/* What makes an object a part of the hook that runs before the release is deleted (a weight: lower ones come first).
     Helm removes accounts and roles when the Job has ended, whatever became of it. A failed Job stays for its log, an
     hour at most; the next attempt removes it first. */}}
{{- define "agora-snapshot-operator.uninstallAnnotations" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
