package remote

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go/logging"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// STSTimeout is how long STS has for one attempt.
const STSTimeout = 10 * time.Second

// SDKConfig reads the SDK's configuration, without its keys if others are at hand. It touches no network. An empty region
// means that of the SDK. Keys that were copied into [default] are lent already, and not taken to get others.
func SDKConfig(ctx context.Context, region string, hasKeys bool) (aws.Config, error) {
	dialer := newDialer()
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		dialer.install(t)
		t.DisableKeepAlives = true // each call has connections of its own, which nobody would close
	}).WithTimeout(STSTimeout)
	options := []func(*config.LoadOptions) error{
		config.WithDefaultsMode(aws.DefaultsModeLegacy), // the mode "auto" asks EC2
		config.WithLogger(logging.Nop{}),                // or the SDK writes to the program's stderr
		config.WithHTTPClient(client),
		// A container's keys come by another client, which would keep its connections.
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = client }),
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	if hasKeys {
		options = append(options, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err == nil && !hasKeys && isLent(ctx) {
		var others aws.Config
		if others, err = config.LoadDefaultConfig(ctx, append(options, config.WithSharedCredentialsFiles([]string{}))...); err != nil {
			return cfg, errors.New("chaim: the AWS SDK finds no keys but those that chaim has put into [default]: name the profile that signs in AWS_PROFILE")
		}
		cfg.Credentials = others.Credentials
	}
	if err != nil {
		return cfg, errtext.Wrap(Foreign(err), "reading the configuration of the AWS SDK")
	}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		dialer.tls = built.GetTransport().TLSClientConfig // trusts AWS_CA_BUNDLE, and ca_bundle of the profile
	}
	return cfg, nil
}

// isLent reports whether the SDK takes keys that chaim has put into [default].
func isLent(ctx context.Context) bool {
	if os.Getenv("AWS_ACCESS_KEY_ID")+os.Getenv("AWS_ACCESS_KEY")+os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		return false
	}
	path, err := sharedfile.CredentialsPath("")
	if err != nil {
		return false
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil || !lease.HasCopy(doc) {
		return false
	}
	lent, _, _ := inifile.ReadManaged(doc, inifile.DefaultSection) // or there would be no copy
	profile := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), inifile.DefaultSection)
	found, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
		o.CredentialsFiles = []string{path}
		if file, err := sharedfile.ConfigPath(); err == nil {
			o.ConfigFiles = []string{file}
		}
	})
	if err != nil || found.RoleARN != "" || found.Credentials.AccessKeyID != lent["aws_access_key_id"] {
		return false
	}
	return found.Credentials.AccessKeyID != "" || found.CredentialProcess == lent[inifile.ProcessKey]
}

// stsClient carries requests to STS, as base does, or as cfg says where that is nil.
func stsClient(base *http.Client, cfg aws.Config) *http.Client {
	var c http.Client
	if base != nil {
		c = *base
		c.Transport = unshared{base.Transport}
	} else if sdk, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		c.Transport = sdk.GetTransport()
	} else {
		c.Transport = unshared{}
	}
	c.Timeout = cmp.Or(c.Timeout, STSTimeout)
	c.CheckRedirect = RefuseRedirect
	c.Transport = smallReplies{c.Transport}
	return &c
}

// keyVariables are those that tell the SDK which keys to take.
var keyVariables = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
}

// KeyEnvironment is what the environment says of which keys the SDK is to take. It may hold keys.
func KeyEnvironment() string {
	var values []string
	for _, name := range keyVariables {
		values = append(values, os.Getenv(name))
	}
	return strings.Join(values, "\n")
}
