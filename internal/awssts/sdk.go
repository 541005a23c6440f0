// Package awssts asks AWS STS, and reads the configuration of the AWS SDK for that.
package awssts

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go/logging"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
)

// STSTimeout is how long STS has for one attempt.
const STSTimeout = 10 * time.Second

// Options say what configuration of the AWS SDK is read.
type Options struct {
	Region        string // empty means that of the SDK
	Profile       string // whose keys are wanted, also lent ones; empty means the SDK's default chain
	HasKeys       bool   // other keys are at hand
	AllowInsecure bool   // accept plain http where keys or tokens are sent
	Log           *slog.Logger
	Files         Files
}

// Config reads the configuration of the AWS SDK. It touches no network. The keys that it finds are the user's: ones that
// chaim has lent are an error, or passed over where they were copied into [default]. So is an endpoint to which the SDK
// would send keys or tokens in clear text to get others.
func Config(ctx context.Context, o Options) (aws.Config, error) {
	dialer := httpx.NewDialer()
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dialer.Install(t)
		t.DisableKeepAlives = true // each call has connections of its own, which would stay open
	}).WithTimeout(STSTimeout)
	options := []func(*config.LoadOptions) error{
		config.WithDefaultsMode(aws.DefaultsModeLegacy), // the mode "auto" asks EC2
		config.WithLogger(logging.Nop{}),                // or the SDK writes to the program's stderr
		config.WithHTTPClient(client),
		// A container's keys come by another client, which would keep its connections.
		config.WithEndpointCredentialOptions(func(eo *endpointcreds.Options) {
			eo.HTTPClient = client
			if path := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
				eo.AuthorizationTokenProvider = tokenFile{o.Files, path}
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(wo *stscreds.WebIdentityRoleOptions) {
			if path, ok := wo.TokenRetriever.(stscreds.IdentityTokenFile); ok {
				wo.TokenRetriever = tokenFile{o.Files, string(path)}
			}
		}),
		config.WithRegion(o.Region),
		config.WithSharedConfigProfile(o.Profile),
	}
	if o.HasKeys {
		options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	inputs, err := inputs(ctx, o)
	if err != nil {
		return aws.Config{}, err
	}
	options = append(options, inputs...)
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, errtext.Wrap(Foreign(err, o.Files), "reading the configuration of the AWS SDK")
	}
	if !o.HasKeys && o.Profile == "" {
		if cfg, err = withoutLentKeys(ctx, cfg, o.Files, options); err != nil {
			return cfg, err
		}
	}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		dialer.TLS = built.GetTransport().TLSClientConfig // trusts AWS_CA_BUNDLE, and ca_bundle of the profile
	}
	if o.HasKeys {
		return cfg, nil
	}
	err = checkChain(cfg, o)
	cfg.Credentials = awaited{cfg.Credentials}
	return cfg, err
}

// awaited says what is waited for while the SDK gets keys, which may take a person or another program.
type awaited struct{ next aws.CredentialsProvider }

// Retrieve is that of the SDK, but for why ctx has ended, which the SDK does not tell.
func (a awaited) Retrieve(ctx context.Context) (aws.Credentials, error) {
	defer awaiting.For(ctx, "keys of the AWS SDK, such as by a sign-in or a credential_process")()
	creds, err := a.next.Retrieve(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return creds, err
}

// ProviderSources are those of the SDK.
func (a awaited) ProviderSources() []aws.CredentialSource {
	return sourcesOf(aws.Config{Credentials: a.next})
}

// inputs are the options by which the SDK waits for no other program while it reads files, as it would for a pipe. It reads
// its files again and again, so that keys cannot come from a pipe; without need of keys such a file counts as empty.
func inputs(ctx context.Context, o Options) (options []func(*config.LoadOptions) error, err error) {
	read := func(variable, usual string) (files []string, err error) {
		path := cmp.Or(os.Getenv(variable), usual)
		switch {
		case !o.Files.IsOnlyOnce(path):
			return []string{path}, nil
		case o.HasKeys:
			return []string{}, nil
		}
		return nil, fmt.Errorf("chaim: %s is %s, a pipe or a device, but the AWS SDK needs to read it more than once: name a regular file", variable, path)
	}
	configs, err := read("AWS_CONFIG_FILE", config.DefaultSharedConfigFilename())
	if err != nil {
		return nil, err
	}
	credentials, err := read("AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename())
	if err != nil {
		return nil, err
	}
	options = append(options, config.WithSharedConfigFiles(configs), config.WithSharedCredentialsFiles(credentials))

	bundle, setting := os.Getenv("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"
	if bundle == "" {
		name := cmp.Or(o.Profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), config.DefaultSharedConfigProfile)
		profile, err := config.LoadSharedConfigProfile(ctx, name, func(lo *config.LoadSharedConfigOptions) {
			lo.ConfigFiles, lo.CredentialsFiles = configs, credentials
		})
		if bundle, setting = profile.CustomCABundle, "ca_bundle of profile "+name; err != nil {
			return options, nil // the SDK says what is wrong
		}
	}
	if bundle == "" {
		return options, nil
	}
	_, pem, err := ReadBundle(ctx, o.Files, bundle, setting)
	return append(options, func(lo *config.LoadOptions) error {
		lo.CustomCABundle = bytes.NewReader(pem)
		return nil
	}), err
}

// ReadBundle reads certificates from the file that a setting names.
func ReadBundle(ctx context.Context, files Files, path, setting string) (roots *x509.CertPool, pem []byte, err error) {
	ctx, stop := context.WithTimeout(ctx, STSTimeout)
	defer stop()
	if pem, err = files.Input(ctx, path); err != nil {
		return nil, nil, errtext.Wrap(err, "reading %s", setting)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("chaim: %s %s holds no PEM certificate", setting, path)
	}
	return roots, pem, nil
}

// TrustedRoots are the certificates of AWS_CA_BUNDLE, or nil without one.
func TrustedRoots(files Files) (*x509.CertPool, error) {
	path := os.Getenv("AWS_CA_BUNDLE")
	if path == "" {
		return nil, nil
	}
	roots, _, err := ReadBundle(context.Background(), files, path, "AWS_CA_BUNDLE")
	return roots, err
}

// HTTPClient copies a program's HTTP client or, without one, makes one that trusts AWS_CA_BUNDLE. done closes what was opened.
func HTTPClient(given *http.Client, files Files) (client *http.Client, done func(), err error) {
	var roots *x509.CertPool
	if given == nil {
		if roots, err = TrustedRoots(files); err != nil {
			return nil, nil, err
		}
	}
	client, done = httpx.ClientFor(given, roots)
	return client, done, nil
}

// tokenFile is one with which keys are asked for, each time they are. The SDK would wait for a writer of a pipe for ever.
type tokenFile struct {
	files Files
	path  string
}

// GetToken reads the file.
func (f tokenFile) GetToken() (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), STSTimeout)
	defer stop()
	text, err := f.files.Input(ctx, f.path)
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%s is empty", f.path)
	}
	if err != nil {
		return "", errtext.Wrap(err, "reading a token to get keys with")
	}
	return string(text), nil
}

// GetIdentityToken is GetToken for STS.
func (f tokenFile) GetIdentityToken() ([]byte, error) {
	text, err := f.GetToken()
	return []byte(text), err
}

// withoutLentKeys refuses keys that chaim has lent, or looks for others where they are a copy in [default].
func withoutLentKeys(ctx context.Context, cfg aws.Config, files Files, options []func(*config.LoadOptions) error) (aws.Config, error) {
	where, isCopy := lentKeys(cfg, files)
	if isCopy {
		others, err := config.LoadDefaultConfig(ctx, append(options, config.WithSharedCredentialsFiles([]string{}))...)
		if err == nil {
			cfg.Credentials = others.Credentials
			return cfg, nil
		}
	}
	if where != "" {
		return cfg, errors.New("chaim: the AWS SDK finds no keys but those that chaim has " + where)
	}
	return cfg, nil
}

// stsClient carries requests to STS, as base does, or as cfg says where that is nil.
func stsClient(base *http.Client, cfg aws.Config) *http.Client {
	var c http.Client
	if base != nil {
		c = *base
		c.Transport = httpx.Unshared(base.Transport)
	} else if sdk, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		c.Transport = sdk.GetTransport()
	} else {
		c.Transport = httpx.Unshared(nil)
	}
	c.Timeout = cmp.Or(c.Timeout, STSTimeout)
	c.CheckRedirect = httpx.RefuseRedirect
	c.Transport = httpx.SmallReplies{Next: c.Transport}
	return &c
}
