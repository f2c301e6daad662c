package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// object is a secret that a SecretProviderClass asks for.
type object struct {
	// name is its key in the store.
	name string
	// file is its name in the volume.
	file string
}

// objects reads the parameters of a SecretProviderClass: those of Azure's own
// provider, or names with commas between them.
func objects(parameters map[string]string) ([]object, error) {
	text := parameters["objects"]
	if !strings.Contains(text, "array:") {
		var found []object
		for _, name := range strings.Split(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				found = append(found, object{name, name})
			}
		}
		return found, nil
	}
	// What Azure's provider refuses a class for.
	if parameters["keyvaultName"] == "" {
		return nil, errors.New("keyvaultName is not set")
	}
	if parameters["tenantID"] == "" && parameters["tenantId"] == "" {
		return nil, errors.New("tenantId is not set")
	}
	return azureObjects(text)
}

// azureObjects reads YAML in which each object is YAML in a string.
func azureObjects(text string) ([]object, error) {
	var list struct{ Array []string }
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	var found []object
	for _, text := range list.Array {
		var one struct{ ObjectName, ObjectAlias, ObjectType string }
		if err := yaml.Unmarshal([]byte(text), &one); err != nil {
			return nil, fmt.Errorf("objects: %w", err)
		}
		if one.ObjectName == "" {
			return nil, errors.New("objects: objectName is not set")
		}
		switch one.ObjectType {
		case "secret", "key", "cert":
		default:
			return nil, fmt.Errorf("objects: objectType %q: expected secret, key or cert", one.ObjectType)
		}
		found = append(found, object{one.ObjectName, cmp.Or(one.ObjectAlias, one.ObjectName)})
	}
	return found, nil
}
