package server

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAlertsAndDashboardUseMetricsThatThereAre reads the files for Prometheus and Grafana.
func TestAlertsAndDashboardUseMetricsThatThereAre(t *testing.T) {
	known := map[string]bool{}
	m := NewMetrics()
	m.Asked("issued", "chaim 1")
	m.Ended("issued")
	m.Stage("sts", 0)
	m.SignedIn("provider")
	m.LoggedIn("code", "issued")
	families, err := m.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		known[f.GetName()] = true
	}
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile("../../../docs/gateway/" + name)
		require.NoError(t, err)
		var parsed any
		if strings.HasSuffix(name, ".json") {
			require.NoError(t, json.Unmarshal(text, &parsed))
		} else {
			require.NoError(t, yaml.Unmarshal(text, &parsed))
		}
		used := regexp.MustCompile(`\bchaim_[a-z_]+`).FindAllString(string(text), -1)
		assert.NotEmpty(t, used)
		for _, metric := range used {
			assert.True(t, known[metric] || known[strings.TrimSuffix(metric, "_bucket")], "%s: there is no metric %s", name, metric)
		}
	}
}
