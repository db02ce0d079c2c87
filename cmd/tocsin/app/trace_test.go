package app

import "testing"

// Templates written for Tracee name fields as Go does.
func TestTemplateFields(t *testing.T) {
	for text, want := range map[string]string{
		`{{.ProcessName}} {{.HostProcessID}} {{.MountNS}}`:             `{{.processName}} {{.hostProcessId}} {{.mountNamespace}}`,
		`{{.processName}} {{.executable.path}} {{.kubernetes.podUID}}`: `{{.processName}} {{.executable.path}} {{.kubernetes.podUID}}`,
		`{{range .Args}}{{.Name}}={{.Value}} {{end}}{{.Container.ID}}`: `{{range .args}}{{.name}}={{.value}} {{end}}{{.container.id}}`,
		`{{printf "%s.X\"" .Kubernetes.PodUID}}`:                       `{{printf "%s.X\"" .kubernetes.podUID}}`,
	} {
		if got := traceeFields.ReplaceAllStringFunc(text, fieldName); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
