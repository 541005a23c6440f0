// Package awssts asks AWS STS for keys, and reads the configuration of the AWS SDK for that.
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

// Options say which configuration of the AWS SDK is read.
type Options struct {
	Region        string // empty means the SDK's region
	Profile       string // the profile with the keys, which may be lent ones; empty means the SDK's default chain
	HasKeys       bool   // the caller has keys and needs none of the SDK's
	AllowInsecure bool   // accept plain http for requests with keys or tokens
	Log           *slog.Logger
	Files         Files
	Lifetime      time.Duration          // of the keys of a role that the profile has; zero means the SDK's
	Code          func() (string, error) // a code of the MFA device that the profile has; nil means none
}

// Config reads the configuration of the AWS SDK. It touches no network. The keys that it finds must be the user's: keys that
// chaim has lent are an error, except that it passes over a copy in [default]. It is also an error if the SDK would send
// keys or tokens in clear text to get others.
func Config(ctx context.Context, o Options) (aws.Config, error) {
	dialer := httpx.NewDialer()
	client := newClient(dialer)
	options := []func(*config.LoadOptions) error{
		config.WithDefaultsMode(aws.DefaultsModeLegacy), // the mode "auto" asks EC2
		config.WithLogger(logging.Nop{}),                // otherwise the SDK writes to the program's stderr
		config.WithHTTPClient(client),
		// By default the SDK gets a container's keys with another client, which keeps its connections.
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
			wo.Duration = cmp.Or(o.Lifetime, wo.Duration)
		}),
		config.WithAssumeRoleCredentialOptions(func(ao *stscreds.AssumeRoleOptions) {
			ao.Duration, ao.TokenProvider = cmp.Or(o.Lifetime, ao.Duration), o.Code
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
	cfg.Credentials = awaited{cfg.Credentials, o.Profile, processProfile(cfg)}
	return cfg, err
}

// newClient makes an HTTP client for the SDK.
func newClient(dialer *httpx.Dialer) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dialer.Install(t)
		t.DisableKeepAlives = true // each call makes a client, whose connections would stay open
	}).WithTimeout(STSTimeout)
}

// awaited announces the wait while the SDK gets keys: that may need a person or another program.
type awaited struct {
	next    aws.CredentialsProvider
	profile string // that has the keys; empty means the SDK's default chain
	process string // the profile with the credential_process, if there is one
}

// Retrieve calls the SDK. If ctx has ended, it returns the cause, which the SDK does not.
func (a awaited) Retrieve(ctx context.Context) (aws.Credentials, error) {
	defer awaiting.For(ctx, "keys of the AWS SDK, such as by a sign-in or a credential_process")()
	creds, err := a.next.Retrieve(ctx)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	default:
		err = a.inPlainWords(err)
	}
	return creds, err
}

// ProviderSources returns the SDK's sources.
func (a awaited) ProviderSources() []aws.CredentialSource {
	return sourcesOf(aws.Config{Credentials: a.next})
}

// inputs returns options that keep the SDK from waiting for a pipe's writer when it reads its files.
func inputs(ctx context.Context, o Options) (options []func(*config.LoadOptions) error, err error) {
	files, err := sharedFiles(o.Files, o.HasKeys)
	if err != nil {
		return nil, err
	}
	options = append(options, config.WithSharedConfigFiles(files.ConfigFiles), config.WithSharedCredentialsFiles(files.CredentialsFiles))

	bundle, setting := os.Getenv("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"
	if bundle == "" {
		name := cmp.Or(o.Profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), config.DefaultSharedConfigProfile)
		profile, err := config.LoadSharedConfigProfile(ctx, name, func(lo *config.LoadSharedConfigOptions) { *lo = files })
		if bundle, setting = profile.CustomCABundle, "ca_bundle of profile "+name; err != nil {
			return options, nil // the SDK will return this error
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

// sharedFiles names the AWS files. The SDK reads them more than once, so a pipe is an error. If no keys are needed, it
// counts as an empty file.
func sharedFiles(files Files, hasKeys bool) (named config.LoadSharedConfigOptions, err error) {
	read := func(variable, usual string) (paths []string, err error) {
		path := cmp.Or(os.Getenv(variable), usual)
		switch {
		case !files.IsOnlyOnce(path):
			return []string{path}, nil
		case hasKeys:
			return []string{}, nil
		}
		return nil, fmt.Errorf("chaim: %s is %s, a pipe or a device, but the AWS SDK needs to read it more than once: name a regular file", variable, path)
	}
	if named.ConfigFiles, err = read("AWS_CONFIG_FILE", config.DefaultSharedConfigFilename()); err != nil {
		return named, err
	}
	named.CredentialsFiles, err = read("AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename())
	return named, err
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

// TrustedRoots returns the certificates of AWS_CA_BUNDLE, or nil if it is not set.
func TrustedRoots(files Files) (*x509.CertPool, error) {
	path := os.Getenv("AWS_CA_BUNDLE")
	if path == "" {
		return nil, nil
	}
	roots, _, err := ReadBundle(context.Background(), files, path, "AWS_CA_BUNDLE")
	return roots, err
}

// HTTPClient copies a program's HTTP client. If given is nil, it makes a client that trusts AWS_CA_BUNDLE. done closes the
// connections of that client.
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

// tokenFile reads a token from a file each time the SDK needs it. The SDK itself would wait for a pipe's writer without end.
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

// GetIdentityToken is GetToken in the form that STS needs.
func (f tokenFile) GetIdentityToken() ([]byte, error) {
	text, err := f.GetToken()
	return []byte(text), err
}

// withoutLentKeys refuses keys that chaim has lent. If they are only a copy in [default], it looks for other keys first.
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

// ServiceClient returns the client for requests to a service of AWS: a copy of base, or if that is nil the client of cfg.
func ServiceClient(base *http.Client, cfg aws.Config) *http.Client {
	var c http.Client
	own, _ := cfg.HTTPClient.(*http.Client) // not that of Config
	base = cmp.Or(base, own)
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
