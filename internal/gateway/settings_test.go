package gateway

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestAPIOfAnotherGateway: original programs go by API and stage, and would take a new token there.
func TestAPIOfAnotherGateway(t *testing.T) {
	const old = "https://old1234.execute-api.eu-west-1.amazonaws.com/prod/"
	for name, tt := range map[string]struct {
		s      Settings
		stored map[string]string
		goes   bool
	}{
		"another endpoint":          {Settings{Endpoint: "https://new.example/"}, map[string]string{"api": "old1234", "stage": "prod"}, true},
		"another endpoint than one": {Settings{Endpoint: "https://new.example/"}, map[string]string{"endpoint": "https://old.example", "api": "old1234", "stage": "prod"}, true},
		"with protocol v1":          {Settings{Endpoint: "https://new.example/", Protocol: V1}, map[string]string{"api": "old1234", "stage": "prod"}, true},
		"the same endpoint":         {Settings{Endpoint: "https://old.example/"}, map[string]string{"endpoint": "https://old.example", "api": "old1234", "stage": "prod"}, false},
		"that of the API":           {Settings{Endpoint: old}, map[string]string{"api": "old1234", "stage": "prod"}, false},
		"in the stored region":      {Settings{Endpoint: "https://old1234.execute-api.eu-north-1.amazonaws.com/prod"}, map[string]string{"api": "old1234", "stage": "prod", "region": "eu-north-1"}, false},
		"in another region":         {Settings{Endpoint: old, Region: "eu-west-1"}, map[string]string{"api": "old1234", "stage": "prod", "region": "eu-north-1"}, false},
		"not in the stored region":  {Settings{Endpoint: old}, map[string]string{"api": "old1234", "stage": "prod", "region": "eu-north-1"}, true},
		"another stage":             {Settings{Endpoint: old}, map[string]string{"api": "old1234", "stage": "test"}, true},
		"API without a stage":       {Settings{Endpoint: "https://new.example/"}, map[string]string{"api": "old1234"}, true},
		"API and stage of its own":  {Settings{API: "new1234", Stage: "prod"}, map[string]string{"endpoint": "https://old.example", "api": "old1234", "stage": "prod"}, false},
	} {
		goes := tt.s.Misfits(tt.stored)
		assert.Equal(t, tt.goes, goes("api"), name)
		assert.Equal(t, tt.goes, goes("stage"), name)
	}
}
