package remote

import (
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/lease"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// The SDK's default chain finds keys in one place, or changes what it finds there for others: this file tells where.

// sourcesOf are the places by which the keys of a configuration come.
func sourcesOf(cfg aws.Config) []aws.CredentialSource {
	if p, ok := cfg.Credentials.(aws.CredentialProviderSource); ok {
		return p.ProviderSources()
	}
	return nil
}

// profileOf is the profile that was read.
func profileOf(cfg aws.Config) *config.SharedConfig {
	for _, source := range cfg.ConfigSources {
		if profile, ok := source.(config.SharedConfig); ok {
			return &profile
		}
	}
	return nil
}

// services are those that a chain asks for keys, with something secret.
var services = []struct {
	name     string
	sources  []aws.CredentialSource
	endpoint func(aws.Config) *string
}{
	{
		"STS",
		[]aws.CredentialSource{
			aws.CredentialSourceSTSAssumeRole, aws.CredentialSourceSTSAssumeRoleWebID,
			aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken,
		},
		func(cfg aws.Config) *string { return sts.NewFromConfig(cfg).Options().BaseEndpoint },
	},
	{
		"IAM Identity Center",
		[]aws.CredentialSource{aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy},
		func(cfg aws.Config) *string { return sso.NewFromConfig(cfg).Options().BaseEndpoint },
	},
	{
		"IAM Identity Center (OIDC)", []aws.CredentialSource{aws.CredentialSourceProfileSSO}, // of a profile with an sso_session
		func(cfg aws.Config) *string { return ssooidc.NewFromConfig(cfg).Options().BaseEndpoint },
	},
	{
		"AWS sign-in",
		[]aws.CredentialSource{aws.CredentialSourceLogin},
		func(cfg aws.Config) *string { return signin.NewFromConfig(cfg).Options().BaseEndpoint },
	},
}

// checkChain refuses a chain that would send keys or tokens in clear text.
func checkChain(cfg aws.Config, o SDKOptions) error {
	sources := sourcesOf(cfg)
	for _, service := range services {
		isAsked := slices.ContainsFunc(service.sources, func(s aws.CredentialSource) bool { return slices.Contains(sources, s) })
		if !isAsked {
			continue
		}
		if err := checkEndpoint(service.name, service.endpoint(cfg), o.AllowInsecure, o.Log); err != nil {
			return err
		}
	}
	return nil
}

// lentKeys tells where chaim has lent the keys of a configuration, which must not get others, and what to do about it. It
// is empty for keys of the user. isCopy means that they stand in [default], and that other places may have keys.
func lentKeys(cfg aws.Config) (where string, isCopy bool) {
	sources := sourcesOf(cfg)
	account := os.Getenv("CHAIM_ACCOUNT") // stands in the environment of programs that chaim runs
	switch {
	case slices.Contains(sources, aws.CredentialSourceEnvVarsSTSWebIDToken):
		return "", false
	case slices.Contains(sources, aws.CredentialSourceEnvVars):
		if account == "" || os.Getenv("AWS_SESSION_TOKEN") == "" || os.Getenv("AWS_CREDENTIAL_EXPIRATION") == "" {
			return "", false
		}
		return fmt.Sprintf("lent for account %q, in the environment: unset AWS_ACCESS_KEY_ID and name the profile that signs in AWS_PROFILE", account), false
	case slices.Contains(sources, aws.CredentialSourceHTTP):
		u, err := url.Parse(os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
		if account == "" || err != nil || !isLoopback(u) {
			return "", false
		}
		return fmt.Sprintf("lent for account %q, from its server: name the profile that signs in AWS_PROFILE", account), false
	}
	return lentProfile(profileOf(cfg))
}

// lentProfile is lentKeys for those of a profile, or of one that it has as its source.
func lentProfile(profile *config.SharedConfig) (where string, isCopy bool) {
	path, err := sharedfile.CredentialsPath("")
	if err != nil {
		return "", false
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return "", false
	}
	isTop := true
	for ; profile != nil; profile, isTop = profile.Source, false {
		lent, _, err := inifile.ReadManaged(doc, profile.Profile)
		key, process := lent["aws_access_key_id"], lent[inifile.ProcessKey]
		isTaken := err == nil && (key != "" && key == profile.Credentials.AccessKeyID || process != "" && process == profile.CredentialProcess)
		switch {
		case !isTaken:
		case profile.Profile == inifile.DefaultSection && lease.HasCopy(doc):
			return "put into [default]: name the profile that signs in AWS_PROFILE", isTop && profile.RoleARN == ""
		case profile.Profile != inifile.DefaultSection && lent[inifile.MarkerKey] != "":
			return fmt.Sprintf("lent as profile %q: name the profile that signs in AWS_PROFILE", profile.Profile), false
		}
	}
	return "", false
}
