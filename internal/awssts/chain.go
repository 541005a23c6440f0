package awssts

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/signin"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/httpx"
)

// This file finds out where the SDK's default chain gets its keys.

// sourcesOf returns the sources of a configuration's keys.
func sourcesOf(cfg aws.Config) []aws.CredentialSource {
	if p, ok := cfg.Credentials.(aws.CredentialProviderSource); ok {
		return p.ProviderSources()
	}
	return nil
}

// profileOf returns the profile that the SDK has read.
func profileOf(cfg aws.Config) *config.SharedConfig {
	for _, source := range cfg.ConfigSources {
		if profile, ok := source.(config.SharedConfig); ok {
			return &profile
		}
	}
	return nil
}

// processProfile returns the name of the profile whose credential_process gives the first keys, or "".
func processProfile(cfg aws.Config) string {
	for p := profileOf(cfg); p != nil; p = p.Source {
		if p.CredentialProcess != "" {
			return p.Profile
		}
	}
	return ""
}

// services are the services to which a chain sends keys or tokens to get other keys.
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
func checkChain(cfg aws.Config, o Options) error {
	sources := sourcesOf(cfg)
	for _, service := range services {
		isAsked := slices.ContainsFunc(service.sources, func(s aws.CredentialSource) bool { return slices.Contains(sources, s) })
		if !isAsked {
			continue
		}
		if err := httpx.CheckEndpoint(service.name, service.endpoint(cfg), o.AllowInsecure, o.Log); err != nil {
			return err
		}
	}
	return nil
}

// lentKeys returns where chaim has lent the keys of a configuration, with advice for the error. where is empty for the
// user's own keys. isCopy means that the lent keys are the copy in [default], so other places may have keys.
func lentKeys(cfg aws.Config, files Files) (where string, isCopy bool) {
	sources, profile := sourcesOf(cfg), profileOf(cfg)
	isFromServer := slices.Contains(sources, aws.CredentialSourceHTTP) // the SDK also says so for credential_source = Environment
	isFromEnviron := slices.Contains(sources, aws.CredentialSourceEnvVars)
	for p := profile; p != nil; p = p.Source {
		isFromEnviron = isFromEnviron || isFromServer && p.CredentialSource == "Environment"
	}
	switch {
	case slices.Contains(sources, aws.CredentialSourceEnvVarsSTSWebIDToken):
		return "", false
	case isFromEnviron:
		if awsenv.IsMarked(os.Environ(), cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_ACCESS_KEY"))) {
			return "lent in the environment: unset AWS_ACCESS_KEY_ID and name the profile that signs in AWS_PROFILE", false
		}
		return "", false
	case isFromServer:
		if awsenv.IsMarked(os.Environ(), os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
			return "lent by its server: name the profile that signs in AWS_PROFILE", false
		}
		return "", false
	}
	return lentProfile(profile, files)
}

// lentProfile is lentKeys for the keys of a profile or of its source profiles.
func lentProfile(profile *config.SharedConfig, files Files) (where string, isCopy bool) {
	for isTop := true; profile != nil; profile, isTop = profile.Source, false {
		name := profile.Profile
		isLent := files.IsLent(name, profile.Credentials.AccessKeyID, profile.CredentialProcess)
		switch {
		case isLent && name == "default":
			return "put into [default]: name the profile that signs in AWS_PROFILE", isTop && profile.RoleARN == ""
		case isLent:
			return fmt.Sprintf("lent as profile %q: name the profile that signs in AWS_PROFILE", name), false
		case awsprofile.RunsChaim(profile.CredentialProcess):
			return fmt.Sprintf("lent by the credential_process of profile %q: name the profile that signs in AWS_PROFILE", name), false
		}
	}
	return "", false
}
