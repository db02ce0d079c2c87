package app

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"

	"github.com/tocsin-io/tocsin/configs"
)

type configShowCmd struct {
	configFile
	Output string `short:"o" help:"Form of the output: yaml or json." enum:"yaml,json" default:"yaml"`
}

func (configShowCmd) Help() string {
	return `Examples:
  tocsin config show                  the defaults
  tocsin config show -c tocsin.yaml   what is in force with that file`
}

func (c *configShowCmd) Run(e *env) error {
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	text, err := showConfig(cfg)
	if err != nil {
		return err
	}
	if c.Output == "yaml" {
		_, err = e.stdout.Write(text)
		return err
	}
	doc, err := yaml.YAMLToJSON(text)
	if err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return writeJSON(e.stdout, json.RawMessage(doc))
}

// showConfig writes a configuration with everything that was left to defaults. Secrets are masked by their type.
func showConfig(cfg *configs.Config) ([]byte, error) {
	doc, err := ordered(cfg)
	if err != nil {
		return nil, err
	}
	for i := range doc {
		switch doc[i].Key {
		case "outputs":
			if doc[i].Value, err = showOutputs(cfg); err != nil {
				return nil, err
			}
		case "routes":
			// A group that is "none" is no mapping.
			routes, ok := doc[i].Value.([]any)
			for r := range routes {
				route, isMap := routes[r].(yaml.MapSlice)
				if !ok || !isMap || !cfg.Routes[r].Group.None {
					continue
				}
				for k := range route {
					if route[k].Key == "group" {
						route[k].Value = "none"
					}
				}
			}
		}
	}
	return yaml.MarshalWithOptions(doc, yaml.IndentSequence(true))
}

// showOutputs puts the settings of each output beside what all outputs have.
func showOutputs(cfg *configs.Config) (map[string]yaml.MapSlice, error) {
	out := map[string]yaml.MapSlice{}
	for name, o := range cfg.Outputs {
		common, err := ordered(o)
		if err != nil {
			return nil, err
		}
		own, err := ordered(o.Settings)
		if err != nil {
			return nil, err
		}
		// The type first, then what it takes, then the rest.
		all := append(yaml.MapSlice{common[0]}, own...)
		out[name] = append(all, common[1:]...)
	}
	return out, nil
}

// ordered turns a struct into its YAML mapping, in the order of its fields.
func ordered(v any) (yaml.MapSlice, error) {
	text, err := yaml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("show configuration: %w", err)
	}
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &doc, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("show configuration: %w", err)
	}
	return doc, nil
}
