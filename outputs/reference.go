package outputs

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/tocsin-io/tocsin/configs/settings"
	"github.com/tocsin-io/tocsin/outputs/encode"
)

const templatesDoc = "\n## Wording of messages\n\n" +
	"The files under `templates:` hold [Go templates](https://pkg.go.dev/text/template) that replace the title and the text of messages, and of formats that have them: " +
	"`title` and `text` for all outputs, `soc.title` and `soc.text` for the output `soc`. The JSON of a webhook stays as it is. What a template inserts is escaped as " +
	"everything else: it can't be markup. `tocsin config check` tries each; one that fails on some alert leaves Tocsin's wording and is logged.\n\n" +
	"```\n{{define \"soc.text\"}}\n{{with .Process}}{{.Name}} as {{.User}}: {{end}}{{.Text}} ({{join \", \" .Rule.Tags}}){{with (json .Data).path}}, path {{.}}{{end}}\n{{end}}\n```\n\n" +
	"A template has `.Title`, `.Text`, `.Kind`, `.Severity`, `.Status`, `.Reason`, `.Count`, `.FirstSeen`, `.LastSeen`, `.Rule` (`.ID`, `.Name`, `.Description`, `.Response`, `.Tags`, `.References`), " +
	"`.Tactics`, `.Techniques`, `.Precise` (each `.ID`, `.Name`), `.Cluster`, `.Host`, `.Origin`, `.Process`, `.Container`, `.Kubernetes`, `.Data` and `.Event` (JSON), `.Digest`, `.URL`, " +
	"and the functions `join`, `upper`, `lower`, `json`.\n"

// Reference writes the manual of all registered types in Markdown. common are the settings that every output has.
func Reference(common []settings.Field) string {
	var b strings.Builder
	b.WriteString("<!-- Generated from the types' own declarations by go generate ./outputs/all; do not edit. -->\n\n# Outputs\n\n" +
		"An output is one destination of alerts, under `outputs:` in the configuration. Each has a `type`, the settings of that type, and those that all have. " +
		"A setting with a secret takes `${env:NAME}` and `${file:PATH}`; files are read again when they change. " +
		"`tocsin outputs test NAME` sends a test notification.\n\n| Type | Destination |\n| --- | --- |\n")
	for _, s := range Specs() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", s.Name, s.Name, s.Title)
	}
	b.WriteString("\n## Settings of every output\n\n")
	table(&b, common)
	b.WriteString("\n`batch.max` and `concurrency` start from what the type declares. What a destination does not take is tried again after the pauses of `retry.backoff`, " +
		"after its `Retry-After` where it has one, and goes to the dead letters when it can never be taken or is older than `retry.give_up`.\n\n## Formats\n\n" +
		"Types with a `format` write one of:\n\n| Format | What |\n| --- | --- |\n")
	for _, f := range encode.Formats() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Name, f.Doc)
	}
	b.WriteString(templatesDoc)
	for _, s := range Specs() {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** %s\n\n```yaml\noutputs:\n  %s\n```\n\n", s.Name, s.Title, s.Doc, s.Example)
		table(&b, settings.Fields(s.New()))
		limits := fmt.Sprintf("%d requests at a time", s.Concurrency)
		if s.Concurrency == 1 {
			limits = "one request at a time"
		}
		if s.Batch > 1 {
			limits = fmt.Sprintf("up to %d notifications in a request, ", s.Batch) + limits
		}
		fmt.Fprintf(&b, "\nUnless set otherwise: %s.\n", limits)
	}
	return b.String()
}

func table(b *strings.Builder, fields []settings.Field) {
	b.WriteString("| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n")
	rows(b, "", fields)
}

func rows(b *strings.Builder, prefix string, fields []settings.Field) {
	for _, f := range fields {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct && t != reflect.TypeFor[settings.Secret]() {
			v := reflect.New(t).Elem()
			if f.Default != nil && f.Type.Kind() != reflect.Pointer {
				v.Set(reflect.ValueOf(f.Default))
			}
			rows(b, prefix+f.Name+".", settings.Fields(v.Interface()))
			continue
		}
		kind := settings.TypeName(f.Type)
		if f.Enum != nil {
			kind = "`" + strings.Join(f.Enum, "`, `") + "`"
		}
		def := "–"
		switch d := f.Default.(type) {
		case nil:
			if f.Required {
				def = "**required**"
			}
		case time.Duration:
			def = "`" + settings.FormatDuration(d) + "`"
		case settings.Secret: // a default is no secret, but an address
			if text, err := d.Value(); err == nil {
				def = "`" + text + "`"
			}
		case map[string]string:
			var list []string
			for k, v := range d {
				list = append(list, k+": "+v)
			}
			def = "`{" + strings.Join(list, ", ") + "}`"
		default:
			def = fmt.Sprintf("`%v`", d)
		}
		doc := f.Doc
		if f.Example != "" {
			doc += ", such as `" + f.Example + "`"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, f.Name, kind, def, strings.ReplaceAll(doc, "|", `\|`))
	}
}
