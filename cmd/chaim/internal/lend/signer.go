package lend

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/profiles"
)

// This file names the user who asks for cached keys. Keys that one user got must not be given to another.

// ofProfile names the source of a profile's keys and the user, for cachedKeys. It is nil if the user is not known, as with a
// credential_process, a sign-in by 'aws login', and the role of a machine or container.
func (p process) ofProfile(ctx context.Context, name string) []string {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return nil
	}
	chain, err := files.Chain(name)
	if err != nil {
		return nil
	}
	signer := signer(ctx, p.App, chain.Source)
	named := []string{chain.Profile, chain.Source.Profile}
	for _, role := range chain.Roles {
		named = append(named, role.Profile)
	}
	asked := p.endpoints(ctx, named...)
	if signer == nil || asked == nil {
		return nil
	}
	return slices.Concat([]string{"profile", chain.Hash()}, signer, asked)
}

// ofCenter is ofProfile for an Identity Center.
func (p process) ofCenter(ctx context.Context, c *idcenter.Center) []string {
	mark, asked := c.Mark(ctx), p.endpoints(ctx, "")
	if mark == "" || asked == nil {
		return nil
	}
	return append([]string{"identity center", c.StartURL, c.Region, mark}, asked...)
}

// signer names the user of the first keys of a profile. It is nil if the user is not known.
func signer(ctx context.Context, a *cli.App, s awsprofile.Source) []string {
	switch s.Kind {
	case awsprofile.StaticKeys:
		return []string{s.Pairs["aws_access_key_id"]}
	case awsprofile.Environment:
		env, err := config.NewEnvConfig()
		if err != nil || !env.Credentials.HasKeys() {
			return nil
		}
		return []string{env.Credentials.AccessKeyID, env.Credentials.SecretAccessKey, env.Credentials.SessionToken}
	case awsprofile.SSO:
		c, err := a.FindCenter(idcenter.Center{Session: s.Session.Name, StartURL: s.Session.StartURL, Region: s.Session.Region})
		if err != nil {
			return nil
		}
		if mark := c.Mark(ctx); mark != "" {
			return []string{mark}
		}
	case awsprofile.WebIdentity:
		path, files := s.Pairs["web_identity_token_file"], profiles.AWSFiles{}
		if files.IsOnlyOnce(path) {
			return nil
		}
		if token, err := files.Input(ctx, path); err == nil && len(token) > 0 {
			return []string{string(token)}
		}
	}
	return nil
}

// endpoints returns the endpoints that the environment and these profiles name, or nil if a profile cannot be read.
func (p process) endpoints(ctx context.Context, named ...string) (found []string) {
	for _, name := range named {
		cfg, err := awssts.Config(ctx, awssts.Options{
			Files: profiles.AWSFiles{}, Profile: name, Region: p.Region, HasKeys: true, AllowInsecure: p.Insecure, Log: p.App.Log,
		})
		if err != nil {
			return nil
		}
		found = append(found, fmt.Sprint(
			aws.ToString(sts.NewFromConfig(cfg).Options().BaseEndpoint), " ",
			aws.ToString(sso.NewFromConfig(cfg).Options().BaseEndpoint), " ",
			aws.ToString(ssooidc.NewFromConfig(cfg).Options().BaseEndpoint),
		))
	}
	return found
}
