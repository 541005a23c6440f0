// Package organization lists the accounts of an AWS organisation, with the keys that the AWS SDK finds.
package organization

import (
	"cmp"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/partition"
)

// Member is an account of the organisation.
type Member struct {
	chaim.Account
	State string // ACTIVE if it can be used
}

// IsActive reports whether the account can be used.
func (m Member) IsActive() bool { return m.State == string(types.AccountStateActive) }

// Members returns all accounts, in the order of AWS. signer gives the keys; nil means those of the AWS SDK.
func Members(ctx context.Context, o awssts.Options, signer aws.CredentialsProvider) (members []Member, err error) {
	o.HasKeys = signer != nil
	cfg, err := awssts.Config(ctx, o)
	if err != nil {
		return nil, err
	}
	cfg.Region = cmp.Or(cfg.Region, partition.DefaultRegion)
	if signer != nil {
		cfg.Credentials = signer
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, errtext.Wrap(awssts.Foreign(err, o.Files), "no keys to ask AWS Organizations with")
	}
	client := organizations.NewFromConfig(cfg, func(opts *organizations.Options) { opts.HTTPClient = awssts.ServiceClient(nil, cfg) })
	if err := httpx.CheckEndpoint("AWS Organizations", client.Options().BaseEndpoint, o.AllowInsecure, o.Log); err != nil {
		return nil, err
	}
	defer awaiting.For(ctx, "AWS Organizations")()
	for pages := organizations.NewListAccountsPaginator(client, nil); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, failure(ctx, o, err, keys)
		}
		for _, a := range page.Accounts {
			state := cmp.Or(string(a.State), string(a.Status)) // AWS gives up Status
			members = append(members, Member{chaim.Account{ID: aws.ToString(a.Id), Name: aws.ToString(a.Name)}, state})
		}
	}
	return members, nil
}

// failure redacts an error, and says who may list accounts.
func failure(ctx context.Context, o awssts.Options, err error, keys aws.Credentials) error {
	err = errtext.Wrap(awssts.Failure(ctx, "AWS Organizations", o.Files, err, keys.SecretAccessKey, keys.SessionToken), "listing the accounts of the organisation")
	var refusal smithy.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode() == "AccessDeniedException" {
		return errtext.Chain(err.Error()+"; only the management account and delegated administrators may; 'chaim each --accounts FILE' takes a list of your own", err)
	}
	return err
}
