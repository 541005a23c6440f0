package manage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// keeping is a request for keys that become a profile which stays.
type keeping struct {
	request.Request
	flags  chaim.Options // what the flags say of the profile
	asJSON bool
}

func accountCommand(a *cli.App) *cobra.Command {
	k := &keeping{Request: request.Request{App: a, Kept: request.Kept{IsKept: true}}}
	cmd := cli.Describe(&cobra.Command{
		Use: "account ACCOUNT [ROLE] [flags]", SuggestFor: []string{"assume", "switch", "use"}, Aliases: []string{"get"},
		GroupID: cli.GroupProfiles, ValidArgsFunction: request.CompleteArgs(a),
		RunE: k.keep,
	})
	k.AddFlags(cmd)
	k.AddProfileFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&k.flags.TempName, "alias", "a", "", "`NAME` of the profile (default that of the account)")
	f.BoolVarP(&k.flags.Default, "default", "D", false, "also make it the default account, for programs that name no profile")
	f.BoolVarP(&k.flags.Terrible, "terrible", "T", false, "also write aws_security_token, for old Ansible and Terraform")
	cli.AddJSONFlag(cmd, &k.asJSON)
	_ = cmd.RegisterFlagCompletionFunc("alias", cobra.NoFileCompletions)
	return cmd
}

// keep gets keys and leaves them in a profile.
func (k *keeping) keep(cmd *cobra.Command, args []string) error {
	name, err := k.TakeOrPick(cmd, args)
	if err != nil {
		return err
	}
	k.Kept.HasAlias = k.flags.TempName != ""
	return k.InAnyCase(name, func(name string) error { return k.keepAs(cmd.Context(), name) })
}

// keepAs keeps keys for the account of that name.
func (k *keeping) keepAs(ctx context.Context, name string) error {
	account, held, err := k.Resolve(ctx, name)
	if err != nil {
		return err
	}
	profile := cli.ProfileOf(account)
	if cli.ProfileOf(held.Name) == held.Name { // other tools give names that chaim does not
		profile = cmp.Or(held.Name, profile)
	}
	opts := k.Options(account)
	if k.Source.IsProfile { // its own name is taken
		profile = cli.ProfileOf(account + "-" + awsprofile.RoleName(opts.Role))
	}
	opts.TempName, opts.Terrible, opts.Default = cmp.Or(k.flags.TempName, profile), k.flags.Terrible, k.flags.Default
	opts.Keep, opts.NoReplace, opts.NoRenew = true, !k.Kept.HasAlias, true
	return k.App.Client(opts, func(c *chaim.Client) error {
		isParked := func() bool { return slices.Contains(request.Names(ctx, c, false, true), c.Profile()) }
		wasParked := isParked()
		creds, err := k.App.RequestKeys(ctx, c, account)
		switch {
		case errors.Is(err, chaim.ErrInUse) && strings.HasSuffix(err.Error(), "choose another profile name"):
			return fmt.Errorf("%w (--alias NAME)", err)
		case errors.Is(err, profiles.ErrEndless) && k.Source.IsProfile:
			return fmt.Errorf("%w; they are yours already, in profile %s", err, keys.QuoteShort(account))
		case err != nil:
			return err
		}
		k.App.Say("profile %q: expires %s", c.Profile(), humantime.Until(creds.Expires, time.Now()))
		p, err := request.Find(ctx, c, c.Profile())
		if p.Default {
			k.App.Say("profile %q is the default account: programs that name no profile use it", p.Name)
		}
		switch {
		case !wasParked:
		case isParked():
			k.App.Say("another account is parked as %q, and cannot be unparked while this profile is held", c.Profile())
		default:
			k.App.Say("the parked profile %q is replaced: it no longer counts as parked", c.Profile())
		}
		switch {
		case !k.asJSON:
			return term.WriteLines(k.App.Out, []string{c.Profile()})
		case err != nil:
			return err
		}
		return term.WriteJSON(k.App.Out, infoOf(p))
	})
}
