package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/humantime"
	"github.com/chaim-go/chaim/internal/keys"
)

// request is what credentials are asked for, as flags say it.
type request struct {
	role     string
	duration duration
	region   string
	insecure bool

	accountID string // of the account, where a kept profile tells it; see named
}

// addFlags gives cmd the flags of a request.
func (r *request) addFlags(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&r.role, "role", "r", "", "`ROLE`: a name, an alias such as rro or mpu, or role ARN (default rro)")
	f.VarP(&r.duration, "duration", "d", "how long each set of keys is valid: 1h30m, 1 to 12 hours, or 900 to 43200 seconds (default 1h)")
	f.StringVarP(&r.region, "region", "R", "", "AWS `REGION` (default AWS_REGION, then that of a kept profile or of the AWS config file, then the gateway's)")
	addInsecureFlag(cmd, &r.insecure)
	_ = cmd.RegisterFlagCompletionFunc("role", a.completeRoles)
	_ = cmd.RegisterFlagCompletionFunc("region", completeRegions)
}

func addInsecureFlag(cmd *cobra.Command, insecure *bool) {
	cmd.Flags().BoolVar(insecure, "insecure", false, "accept a gateway that is plain http and not on this machine")
}

const defaultRole = "rro"

// options are those of a client for an account.
func (r *request) options(account string) chaim.Options {
	return chaim.Options{
		Account: account, AccountID: r.accountID, Role: cmp.Or(r.role, defaultRole), Duration: time.Duration(r.duration), Region: r.region, AllowInsecure: r.insecure,
	}
}

// takeArgs takes the account, and the role that may stand after it in place of the flag. The ARN of a role stands for both.
func (r *request) takeArgs(cmd *cobra.Command, args []string) (account string, err error) {
	if len(args) > 0 && arn.IsARN(args[0]) {
		role, _ := arn.Parse(args[0])
		if !strings.HasPrefix(role.Resource, "role/") || !keys.IsAccountID(role.AccountID) {
			return "", usageError{fmt.Sprintf("%q is not the ARN of a role, such as arn:aws:iam::111111111111:role/NAME", args[0])}
		}
		args = append([]string{role.AccountID}, args...)
	}
	switch {
	case len(args) == 0:
		return "", usageError{"which account? usage: " + cmd.UseLine()}
	case len(args) > 2:
		return "", usageError{fmt.Sprintf("%q is one argument too many; usage: %s", args[2], cmd.UseLine())}
	case slices.Contains(args, ""):
		return "", usageError{"the account or the role is empty; usage: " + cmd.UseLine()}
	case len(args) == 2 && r.role != "" && r.role != args[1]:
		return "", usageError{fmt.Sprintf("which role, %q or %q?", args[1], r.role)}
	case len(args) == 2:
		r.role = args[1]
	}
	return args[0], checkGiven(cmd)
}

// checkGiven refuses flags that are there but empty, as from a variable that is not set: what they are without them is not
// what was meant.
func checkGiven(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" && slices.Contains([]string{"role", "region", "alias"}, f.Name) {
			err = usageError{"--" + f.Name + " is empty"}
		}
	})
	return err
}

// asUsage is err, for which no client could be made, as wrong usage where that is because of the options: then none can be
// made either that asks no server.
func (a *app) asUsage(opts chaim.Options, err error) error {
	opts.Source, opts.Logger = aws.AnonymousCredentials{}, nil // what is to be said of the files has been said
	if c, refused := chaim.New(opts); refused == nil {
		return errors.Join(err, c.Close())
	}
	if _, misplaced := a.cache(); misplaced != nil { // that is because of where the files are
		return err
	}
	text := errtext.Unprefixed(err)
	if strings.HasPrefix(text, "profile name ") {
		text += " (--alias NAME)"
	}
	return usageError{text}
}

// duration is a flag with the lifetime of keys.
type duration time.Duration

var _ pflag.Value = (*duration)(nil)

// Set reads what gateways and STS take: hours, seconds, or a time with units.
func (d *duration) Set(text string) error {
	text = strings.TrimSpace(text)
	value, isNumber := humantime.Lifetime(text)
	if !isNumber {
		value, _ = time.ParseDuration(text) // zero for what is none
	}
	if value < 15*time.Minute || value > 12*time.Hour || value%time.Second != 0 {
		return fmt.Errorf("%q is not between 15 minutes and 12 hours, such as 1h30m, 2 (hours) or 5400 (seconds)", text)
	}
	*d = duration(value)
	return nil
}

func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *duration) Type() string { return "DURATION" }
