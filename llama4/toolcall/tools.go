package toolcall

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ReadTools reads the tool descriptions that a chat template is given, a JSON list of
// {"type":"function","function":{"name":..,"parameters":{"properties":{..}}}} or of what stands at "function". Null and an
// empty list give an empty list, with which nothing is a call.
func ReadTools(data json.RawMessage) ([]Tool, error) {
	var list []struct {
		description
		Function *description
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("tools must be a JSON list of objects: %w", err)
		}
	}
	tools := make([]Tool, 0, len(list))
	for i, item := range list {
		d := item.description
		if item.Function != nil {
			d = *item.Function
		}
		if d.Name == "" {
			return nil, fmt.Errorf("tools[%d]: name is missing", i)
		}
		names, err := d.Parameters.names()
		if err != nil {
			return nil, fmt.Errorf("tools[%d]: parameters: properties: %w", i, err)
		}
		tools = append(tools, Tool{Name: d.Name, Parameters: names})
	}
	return tools, nil
}

type description struct {
	Name       string
	Parameters schema
}

type schema struct {
	Properties json.RawMessage
}

// names returns the keys of the properties in their order.
func (s schema) names() ([]string, error) {
	if len(s.Properties) == 0 || string(s.Properties) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(s.Properties))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("expected a JSON object")
	}
	var names []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		names = append(names, key.(string)) // a key always is
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
	}
	return names, nil
}
