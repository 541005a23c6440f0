// Package organization lists the accounts of an AWS organisation, with the keys that the AWS SDK finds.
package organization

import (
	"cmp"
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/chaim-go/chaim"
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
func (m Member) IsActive() bool { return m.State == "ACTIVE" }

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
	c := client{http: awssts.ServiceClient(nil, cfg), keys: keys}
	var isGiven bool
	if c.endpoint, c.region, isGiven = endpointOf(ctx, cfg); isGiven {
		if err := httpx.CheckEndpoint("AWS Organizations", &c.endpoint, o.AllowInsecure, o.Log); err != nil {
			return nil, err
		}
	}
	for token, isFirst := "", true; isFirst || token != ""; isFirst = false {
		var p page
		err := httpx.Persist(ctx, o.Log, "AWS Organizations", func(ctx context.Context) (err error) {
			if p, err = c.list(ctx, token); err != nil {
				err = awssts.Failure(ctx, "AWS Organizations", o.Files, err, keys.SecretAccessKey, keys.SessionToken)
			}
			return err
		})
		if err != nil {
			return nil, explain(err)
		}
		for _, a := range p.Accounts {
			state := cmp.Or(a.State, a.Status) // AWS gives up Status
			members = append(members, Member{chaim.Account{ID: a.ID, Name: a.Name}, state})
		}
		if p.Next == token && token != "" {
			return nil, errors.New("chaim: listing the accounts of the organisation: AWS Organizations gave the same page twice")
		}
		token = p.Next
	}
	return members, nil
}

// explain says who may list accounts.
func explain(err error) error {
	err = errtext.Wrap(err, "listing the accounts of the organisation")
	var refusal smithy.APIError
	if errors.As(err, &refusal) && refusal.ErrorCode() == "AccessDeniedException" {
		return errtext.Chain(err.Error()+"; only the management account and delegated administrators may; 'chaim each --accounts FILE' takes a list of your own", err)
	}
	return err
}
