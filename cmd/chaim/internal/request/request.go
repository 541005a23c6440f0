// Package request has what commands ask keys for: the flags and arguments, and the profile that a name may stand for.
package request

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// Request is what the user asks keys for. The zero value with an App asks for the defaults.
type Request struct {
	App *cli.App
	Terms
	Kept   Kept
	Source Source
	Among  Among
	MFA    MFA
	sts    stsFlags
}

// Terms are the flags for the keys themselves.
type Terms struct {
	Role      string
	Duration  Duration
	Region    string
	Insecure  bool
	AccountID string // of the account, if a kept profile tells it
}

// Kept says what becomes of the keys.
type Kept struct {
	IsKept   bool // they become a profile that stays
	HasAlias bool // the user names that profile
}

// AddFlags gives cmd the flags of a request.
func (r *Request) AddFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&r.Role, "role", "r", "", "`ROLE`: a name, an alias such as rro or mpu, or role ARN (default rro; none for IAM Identity Center)")
	f.VarP(&r.Duration, "duration", "d", "how long each set of keys is valid: 1h30m, 1 to 12 hours, or 900 to 43200 seconds (default 1h)")
	f.StringVarP(&r.Region, "region", "R", "", "AWS `REGION` (default AWS_REGION, then that of a kept profile or of the AWS config file, then the gateway's)")
	r.sts.add(f)
	f.BoolVar(&r.MFA.Keeps, "keep-mfa", false, "keep the session that a code of an MFA device begins in the private cache, so that the next chaim asks for no code (STS and profiles only)")
	cli.AddInsecureFlag(cmd, &r.Insecure)
	_ = cmd.RegisterFlagCompletionFunc("role", CompleteRoles(r.App))
	_ = cmd.RegisterFlagCompletionFunc("region", CompleteRegions)
}

// Options are those of a client for an account.
func (r *Request) Options(account string) chaim.Options {
	duration, _ := defaultDuration() // CheckGiven refuses a wrong one
	opts := chaim.Options{
		Account: account, AccountID: r.AccountID, Role: cmp.Or(r.Role, defaultRole()), Duration: time.Duration(cmp.Or(r.Duration, duration)),
		Region: cmp.Or(r.Region, defaultRegion(account)), AllowInsecure: r.Insecure,
	}
	if r.sts.given() != "" || r.Source.isSTS {
		opts.Broker, opts.AllowInsecure = r.STS(nil, ""), false
	}
	if r.Source.IsProfile {
		opts.Role, opts.Duration = cmp.Or(r.Role, r.Source.role), time.Duration(r.Duration)
		opts.Broker = r.Profiles()
	}
	return opts
}

// TakeArgs takes the account, and the role if it stands after it. A role ARN stands for both.
func (r *Request) TakeArgs(cmd *cobra.Command, args []string) (account string, err error) {
	if len(args) > 0 && arn.IsARN(args[0]) {
		role, err := awsprofile.ParseRole(args[0])
		if err != nil || !strings.HasPrefix(role.Resource, "role/") || !keys.IsAccountID(role.AccountID) {
			return "", cli.Usagef("%q is not the ARN of a role, such as arn:aws:iam::111111111111:role/NAME", args[0])
		}
		args = append([]string{role.AccountID}, args...)
	}
	switch profile := r.Source.Profile; {
	case profile != "" && len(args) > 0:
		return "", cli.Usagef("which keys: those of account %q, or of --profile %s? A profile needs neither ACCOUNT nor ROLE", args[0], profile)
	case profile != "":
		return profile, cmp.Or(r.checkRole(""), CheckGiven(cmd))
	case len(args) == 0:
		return "", cli.Usage("which account? usage: " + cmd.UseLine())
	case len(args) > 2:
		return "", cli.Usagef("%q is one argument too many; usage: %s", args[2], cmd.UseLine())
	case slices.Contains(args, ""):
		return "", cli.Usage("the account or the role is empty; usage: " + cmd.UseLine())
	case len(args) == 2 && r.Role != "" && r.Role != args[1]:
		return "", cli.Usagef("which role, %q or %q?", args[1], r.Role)
	case len(args) == 2:
		r.Role = args[1]
	}
	return args[0], cmp.Or(r.checkRole(args[0]), CheckGiven(cmd))
}

// checkRole refuses an ARN that is not that of a role, or is one of another account than the id that was asked for, or of
// another partition than that of --region. Brokers check again, when they know the account and the region.
func (r *Request) checkRole(account string) error {
	if !strings.Contains(r.Role, ":") { // which is in no name
		return nil
	}
	role, err := awsprofile.ParseRole(r.Role)
	switch {
	case err != nil:
		return cli.Usage(errtext.Unprefixed(err))
	case keys.IsAccountID(account) && role.AccountID != account:
		return cli.Usagef("role %s is not one of account %s: give the ARN of a role there, or the ARN alone", keys.QuoteShort(r.Role), account)
	case r.Region != "":
		if err := partition.Check(role, r.Region); err != nil {
			return cli.Usage(errtext.Unprefixed(err))
		}
	}
	return nil
}

// CheckGiven refuses a flag with an empty value, as from a variable that is not set: the default was not meant. It refuses a
// default that cannot be used, too.
func CheckGiven(cmd *cobra.Command) (err error) {
	if _, err := defaultDuration(); err != nil && !cmd.Flags().Changed("duration") {
		return cli.Usage(err.Error())
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && slices.Contains([]string{
			"role", "region", "alias", "profile", "session-name", "source-identity", "external-id", "policy", "mfa-serial",
		}, f.Name) {
			err = cli.Usage("--" + f.Name + " is empty")
		}
	})
	return err
}

// InMemory calls fn with the options of a client for the arguments. That client keeps the keys in memory only, and does not
// renew them.
func (r *Request) InMemory(cmd *cobra.Command, args []string, fn func(chaim.Options) error) error {
	name, err := r.TakeOrPick(cmd, args)
	if err != nil {
		return err
	}
	return r.InAnyCase(name, func(name string) error {
		account, _, err := r.Resolve(cmd.Context(), name)
		if err != nil {
			return err
		}
		opts := r.Options(account)
		opts.NoProfile, opts.NoRenew = true, true
		return fn(opts)
	})
}

// InAnyCase calls fn with a name. If the error says that only the case of the name is wrong, it calls fn again with the
// exact name, and says so.
func (r *Request) InAnyCase(name string, fn func(name string) error) error {
	before := *r
	err := fn(name)
	other := (*cli.OtherCaseError)(nil)
	if !errors.As(err, &other) || other.Asked != name {
		return err
	}
	*r = before
	r.tellExact(name, other.Exact)
	return fn(other.Exact)
}

func (r *Request) tellExact(name, exact string) {
	r.App.Say("there is no account %s; taking %s, which differs in case only", keys.Printable(name), keys.Printable(exact))
}

// Duration is a flag with the lifetime of keys.
type Duration time.Duration

var _ pflag.Value = (*Duration)(nil)

// Set reads hours, seconds, or a time with units, as gateways and STS take them.
func (d *Duration) Set(text string) error {
	text = strings.TrimSpace(text)
	value, isNumber := humantime.Lifetime(text)
	if !isNumber {
		value, _ = time.ParseDuration(text) // zero after an error
	}
	if value < 15*time.Minute || value > 12*time.Hour || value%time.Second != 0 {
		return fmt.Errorf("%q is not between 15 minutes and 12 hours, such as 1h30m, 2 (hours) or 5400 (seconds)", text)
	}
	*d = Duration(value)
	return nil
}

// String is empty for the default.
func (d *Duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type names the value in the help text.
func (d *Duration) Type() string { return "DURATION" }
