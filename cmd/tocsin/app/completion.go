package app

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"

	"github.com/tocsin-io/tocsin/event"
	"github.com/tocsin-io/tocsin/simulate"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (completionCmd) Help() string {
	return `Examples:
  tocsin completion bash > /etc/bash_completion.d/tocsin
  tocsin completion zsh > /usr/local/share/zsh/site-functions/_tocsin
  tocsin completion fish > ~/.config/fish/completions/tocsin.fish`
}

// completion is what may follow a command.
type completion struct {
	Path  string // "rules check"
	Words []string
}

// bash completes by the words before the cursor that are commands. zsh runs the same by its emulation.
var bashCompletion = template.Must(template.New("bash").Parse(`{{if .Zsh}}#compdef tocsin
autoload -U +X bashcompinit && bashcompinit
{{end}}# Completion of tocsin for {{if .Zsh}}zsh{{else}}bash{{end}}; written by "tocsin completion".
_tocsin() {
	local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" path="" words="" w i
	for ((i = 1; i < COMP_CWORD; i++)); do
		w="${COMP_WORDS[i]}"
		case " {{.Commands}} " in
			*" ${path:+$path/}$w "*) path="${path:+$path/}$w" ;;
		esac
	done
	case "$prev" in
		-e) COMPREPLY=($(compgen -W "{{.Events}}" -- "$cur")); return ;;
		-c|--config|--rules|--record|--data-dir|-f|--with) COMPREPLY=($(compgen -f -- "$cur")); return ;;
		-o|--output) COMPREPLY=($(compgen -W "table json" -- "$cur")); return ;;
	esac
	case "$path" in
{{range .Paths}}		"{{.Path}}") words="{{range $i, $w := .Words}}{{if $i}} {{end}}{{$w}}{{end}}" ;;
{{end}}	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	[ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _tocsin tocsin
`))

var fishCompletion = template.Must(template.New("fish").Parse(`# Completion of tocsin for fish; written by "tocsin completion".
function __tocsin_path
	set -l path
	for w in (commandline -opc)[2..]
		if contains -- (string join / $path $w) {{.Commands}}
			set path (string join / $path $w)
		end
	end
	echo $path
end
{{range .Paths}}complete -c tocsin -n 'test (__tocsin_path) = "{{.Path}}"' -a '{{range $i, $w := .Words}}{{if $i}} {{end}}{{$w}}{{end}}'
{{end}}`))

func (c *completionCmd) Run(e *env, app *kong.Kong) error {
	var paths []completion
	var commands []string
	var walk func(n *kong.Node, path string)
	walk = func(n *kong.Node, path string) {
		var words []string
		for _, child := range n.Children {
			if child.Hidden || child.Type != kong.CommandNode {
				continue
			}
			words = append(words, child.Name)
			sub := strings.TrimPrefix(path+"/"+child.Name, "/")
			commands = append(commands, sub)
			walk(child, sub)
		}
		for _, f := range n.Flags {
			words = append(words, "--"+f.Name)
		}
		words = append(words, "--help")
		if path == "simulate" {
			words = append(words, "list")
			for _, s := range simulate.All() {
				words = append(words, s.Rule)
			}
		}
		if path == "events" {
			words = append(words, eventNameList()...)
		}
		slices.Sort(words)
		paths = append(paths, completion{path, slices.Compact(words)})
	}
	walk(app.Model.Node, "")
	data := map[string]any{"Zsh": c.Shell == "zsh", "Commands": strings.Join(commands, " "), "Events": strings.Join(eventNameList(), " "), "Paths": paths}
	if c.Shell == "fish" {
		return fishCompletion.Execute(e.stdout, data)
	}
	if err := bashCompletion.Execute(e.stdout, data); err != nil {
		return fmt.Errorf("write completion: %w", err)
	}
	return nil
}

func eventNameList() []string {
	var names []string
	for _, d := range slices.Concat(event.All(), event.Syscalls()) {
		names = append(names, d.Name)
	}
	return names
}
