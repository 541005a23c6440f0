package awssts

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/chaim-go/chaim/internal/awaiting"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/httpx"
	"github.com/chaim-go/chaim/internal/partition"
)

// Identity is the identity of keys according to STS. All fields are printable ASCII.
type Identity struct{ Account, ARN, UserID string }

// Identify asks STS whose keys these are. It asks in the region of cfg, or else in the default region.
func Identify(ctx context.Context, cfg aws.Config, keys aws.Credentials, o Options) (Identity, error) {
	cfg.Region = cmp.Or(cfg.Region, partition.DefaultRegion)
	client := sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.HTTPClient, o.Credentials = ServiceClient(nil, cfg), fixed(keys)
	})
	if err := httpx.CheckEndpoint("STS", client.Options().BaseEndpoint, o.AllowInsecure, o.Log); err != nil {
		return Identity{}, err
	}
	defer awaiting.For(ctx, "AWS STS in "+cfg.Region)()
	out, err := client.GetCallerIdentity(ctx, nil)
	if err != nil {
		err = Failure(ctx, "STS", o.Files, err, keys.SecretAccessKey, keys.SessionToken)
		return Identity{}, errtext.Wrap(err, "asking STS in %s whose keys these are", cfg.Region)
	}
	who := Identity{aws.ToString(out.Account), aws.ToString(out.Arn), aws.ToString(out.UserId)}
	for _, text := range []string{who.Account, who.ARN, who.UserID} {
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return Identity{}, errtext.Wrap(errors.New("reply has no identity"), "asking STS in %s whose keys these are", cfg.Region)
		}
	}
	return who, nil
}
