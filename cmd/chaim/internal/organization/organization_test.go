package organization

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// alone sets an environment in which the AWS SDK finds nothing but config.
func alone(t *testing.T, config string) awssts.Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	t.Setenv("AWS_CONFIG_FILE", path)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	return awssts.Options{Files: profiles.AWSFiles{}, HasKeys: true, Log: slog.New(slog.DiscardHandler)}
}

func TestEndpoints(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "https://organizations.us-east-1.amazonaws.com", "cn-north-1": "https://organizations.cn-northwest-1.amazonaws.com.cn",
		"us-gov-east-1": "https://organizations.us-gov-west-1.amazonaws.com", "us-iso-east-1": "https://organizations.us-iso-east-1.c2s.ic.gov",
	} {
		o := alone(t, "")
		o.Region = region
		cfg, err := awssts.Config(t.Context(), o)
		require.NoError(t, err)
		got, _, isGiven := endpointOf(t.Context(), cfg)
		assert.Equal(t, want, got)
		assert.False(t, isGiven)
	}
}

// TestGivenEndpoints has the order of the SDK's clients.
func TestGivenEndpoints(t *testing.T) {
	const own = "[default]\nservices = s\n[services s]\norganizations =\n  endpoint_url = https://own.example\n"
	for name, tt := range map[string]struct {
		config string
		env    map[string]string
		want   string
	}{
		"section":            {config: own, want: "https://own.example"},
		"general of section": {config: "[default]\nendpoint_url = https://general.example\n", want: "https://general.example"},
		"variable":           {own, map[string]string{"AWS_ENDPOINT_URL_ORGANIZATIONS": "https://variable.example"}, "https://variable.example"},
		"general variable":   {own, map[string]string{"AWS_ENDPOINT_URL": "https://general.example"}, "https://general.example"},
		"both variables": {own, map[string]string{
			"AWS_ENDPOINT_URL": "https://general.example", "AWS_ENDPOINT_URL_ORGANIZATIONS": "https://variable.example",
		}, "https://variable.example"},
		"ignored": {own, map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "https://organizations.us-east-1.amazonaws.com"},
		"FIPS":    {"", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, "https://organizations-fips.us-east-1.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			o := alone(t, tt.config)
			for variable, value := range tt.env {
				t.Setenv(variable, value)
			}
			o.Region = "eu-west-1"
			cfg, err := awssts.Config(t.Context(), o)
			require.NoError(t, err)
			got, _, _ := endpointOf(t.Context(), cfg)
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestPages has two pages, a server that is busy once, an account with the older Status, and then a refusal.
func TestPages(t *testing.T) {
	o := alone(t, "")
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		assert.Contains(t, r.Header.Get("Authorization"), "/eu-west-1/organizations/aws4_request")
		switch asked {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			fmt.Fprint(w, `{"Accounts":[{"Id":"111111111111","Name":"a","State":"ACTIVE"}],"NextToken":"next"}`)
		case 3:
			fmt.Fprint(w, `{"Accounts":[{"Id":"222222222222","Name":"b","Status":"SUSPENDED"}]}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"com.amazonaws#AccessDeniedException","Message":"no CANARYsecretsecretsecretsecretsecretsecr"}`)
		}
	}))
	defer srv.Close()
	t.Setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", srv.URL)
	o.Region = "eu-west-1"
	signer := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "CANARYsecretsecretsecretsecretsecretsecr"}, nil
	})
	members, err := Members(t.Context(), o, signer)
	require.NoError(t, err)
	assert.Equal(t, []Member{
		{chaim.Account{ID: "111111111111", Name: "a"}, "ACTIVE"}, {chaim.Account{ID: "222222222222", Name: "b"}, "SUSPENDED"},
	}, members)

	_, err = Members(t.Context(), o, signer)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.ErrorContains(t, err, "only the management account and delegated administrators may")
	assert.NotContains(t, err.Error(), "CANARY")
	assert.Equal(t, 4, asked)
}
