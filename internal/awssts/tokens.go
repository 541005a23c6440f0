package awssts

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
)

// TokenConfig returns the configuration of the SDK for services that take a token in place of keys. Endpoints and
// certificates are those of the environment and of the profile. Without a profile chaim ignores the AWS files: another
// profile must not decide where a token goes. AWS_ENDPOINT_URL and the endpoint_url of all services do not count either, as
// in the SDK's own provider for IAM Identity Center.
func TokenConfig(ctx context.Context, files Files, profile, region string) (cfg aws.Config, err error) {
	dialer := httpx.NewDialer()
	cfg = aws.Config{
		Region: region, DefaultsMode: aws.DefaultsModeLegacy, Logger: logging.Nop{},
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, // chaim makes the pauses
	}
	environment, err := config.NewEnvConfig()
	if err != nil {
		return cfg, errtext.Wrap(Foreign(err, files), "reading the environment for the AWS SDK")
	}
	shared, err := sharedProfile(ctx, files, profile)
	if err != nil {
		return cfg, errtext.Wrap(Foreign(err, files), "reading profile %s for the AWS SDK", profile)
	}
	cfg.ConfigSources = []any{environment, shared}
	path, setting := os.Getenv("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"
	if path == "" {
		path, setting = shared.CustomCABundle, "ca_bundle of profile "+profile
	}
	client := newClient(dialer)
	if path != "" {
		roots, _, err := ReadBundle(ctx, files, path, setting)
		if err != nil {
			return cfg, err
		}
		dialer.TLS = &tls.Config{RootCAs: roots}
		// The transport itself uses them behind a SOCKS proxy.
		client = client.WithTransportOptions(func(t *http.Transport) { t.TLSClientConfig = dialer.TLS })
	}
	cfg.HTTPClient = client
	return cfg, nil
}

// sharedProfile reads a profile as the SDK does. If the SDK cannot read the name of the profile, it has no settings.
func sharedProfile(ctx context.Context, files Files, name string) (config.SharedConfig, error) {
	if name == "" {
		return config.SharedConfig{}, nil
	}
	named, err := sharedFiles(files, true)
	if err != nil {
		return config.SharedConfig{}, err
	}
	profile, err := config.LoadSharedConfigProfile(ctx, name, func(lo *config.LoadSharedConfigOptions) { *lo = named })
	if errors.As(err, new(config.SharedConfigProfileNotExistError)) {
		return config.SharedConfig{}, nil
	}
	return profile, err
}
