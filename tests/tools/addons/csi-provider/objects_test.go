package main

import (
	"reflect"
	"strings"
	"testing"
)

const azureClass = `array:
  - |
    objectName: prometheus
    objectType: secret
    objectFormat: pfx
    objectEncoding: base64
  - |
    objectName: other
    objectAlias: another
    objectType: cert
`

func TestObjects(t *testing.T) {
	vault := func(text string) map[string]string {
		return map[string]string{"keyvaultName": "vault", "tenantID": "tenant", "objects": text}
	}
	for name, check := range map[string]struct {
		parameters map[string]string
		found      []object
		complaint  string
	}{
		"names":         {map[string]string{"objects": "a, b"}, []object{{"a", "a"}, {"b", "b"}}, ""},
		"as in Azure":   {vault(azureClass), []object{{"prometheus", "prometheus"}, {"other", "another"}}, ""},
		"no vault":      {map[string]string{"objects": azureClass}, nil, "keyvaultName"},
		"unknown type":  {vault("array:\n- 'objectName: a'\n"), nil, "objectType"},
		"without names": {vault("array:\n- 'objectType: secret'\n"), nil, "objectName"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := objects(check.parameters)
			if !reflect.DeepEqual(found, check.found) {
				t.Errorf("found %v, expected %v", found, check.found)
			}
			if (err != nil) != (check.complaint != "") || err != nil && !strings.Contains(err.Error(), check.complaint) {
				t.Errorf("%v does not name %q", err, check.complaint)
			}
		})
	}
}
