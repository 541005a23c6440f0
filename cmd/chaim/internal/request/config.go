package request

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/credcache"
	"github.com/chaim-go/chaim/cmd/chaim/internal/names"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// This file has what commands do with profiles of the AWS config file.

// Source says where the keys come from if neither a gateway nor plain STS gives them.
type Source struct {
	Profile    string // given as --profile
	IsProfile  bool   // the account is a profile of the AWS config file
	role       string // that the profile has
	definition string // what the profile says, as a hash
	signs      bool   // the keys of AWS_PROFILE ask AWS STS, and need a code
}

// Definition tells apart what a profile says from what it said before.
func (s Source) Definition() string { return s.definition }

// AddProfileFlag gives cmd the flag --profile.
func (r *Request) AddProfileFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.Source.Profile, "profile", "", "take the keys of the profile `NAME` of the AWS config file, in place of an ACCOUNT")
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		files, _ := profiles.AWSFiles{}.Profiles()
		return plain(files.Leading()), cobra.ShellCompDirectiveNoFileComp
	})
}

// find decides whether an account is a profile of the AWS config file. An account that a gateway or plain STS knows is none.
func (s *Source) find(ctx context.Context, r *Request, account string) error {
	files, err := profiles.AWSFiles{}.Profiles()
	switch {
	case s.Profile != "":
		s.IsProfile = true
	case err != nil, keys.IsAccountID(account), !files.Has(account):
		return nil
	default:
		isAccount, isListed, err := r.isAccount(ctx, account)
		if err != nil {
			return fmt.Errorf("%w; %s is also a profile of the AWS config file, which --profile %[2]s takes", err, keys.QuoteShort(account))
		}
		s.IsProfile = !isListed || !isAccount
	}
	if chain, err := files.Chain(account); err == nil && s.IsProfile {
		s.role, s.definition = chain.Role(), chain.Hash()
	}
	return nil
}

// exactProfile returns the only profile of the AWS config file whose name differs from name in case alone, if no broker lists
// accounts. Otherwise it returns name.
func (r *Request) exactProfile(ctx context.Context, name string) string {
	if r.Source.Profile != "" {
		return name
	}
	files, _ := profiles.AWSFiles{}.Profiles()
	exact := cli.OtherCase(name, files.Leading())
	if exact == "" || files.Has(name) {
		return name
	}
	_ = r.App.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true, AllowInsecure: r.Insecure}, func(c *chaim.Client) error {
		if _, isLister := names.Of(ctx, c); isLister {
			exact = name
		}
		return nil
	})
	if exact != name {
		r.tellExact(name, exact)
	}
	return exact
}

// isAccount asks the gateway or the Identity Center whether it has an account of that name or id. isListed is false if there is
// none, or no sign-in.
func (r *Request) isAccount(ctx context.Context, name string) (isAccount, isListed bool, err error) {
	err = r.App.Quiet().Client(chaim.Options{NoProfile: true, AllowInsecure: r.Insecure}, func(c *chaim.Client) error {
		accounts, err := c.RequestList(ctx)
		isListed = err == nil
		if isListed {
			r.App.Remember(ctx, c, accounts)
		}
		for _, known := range accounts {
			isAccount = isAccount || known.ID == name || known.Name == name
		}
		return err
	})
	if errors.Is(err, chaim.ErrNotConfigured) || errors.Is(err, chaim.ErrSignedOut) {
		err = nil
	}
	return isAccount, isListed, err
}

// List returns the accounts that there are: those of the gateway or, without one, the profiles of the AWS config file. All
// requests after it are for accounts of the same kind.
func (r *Request) List(ctx context.Context) (known []chaim.Account, err error) {
	if err := r.sts.check(ctx); err != nil {
		return nil, err
	}
	if r.Among.isGiven() {
		return r.Among.list(ctx, r)
	}
	if flag := r.sts.given(); flag != "" {
		return nil, cli.Usagef("%s is for AWS STS: name the accounts with --organization, --accounts or --account", flag)
	}
	opts := r.Options("any") // an account makes the client check the region, which a list does not need
	opts.NoProfile = true
	err = r.App.Client(opts, func(c *chaim.Client) error {
		known, err = c.RequestList(ctx)
		if err == nil {
			r.App.Remember(ctx, c, known)
		}
		return err
	})
	if !errors.Is(err, chaim.ErrNotConfigured) || r.hasGateway(ctx) { // whose settings may be incomplete
		return known, err
	}
	found, listErr := chaim.Profiles{}.Accounts(ctx)
	if len(found) == 0 {
		return nil, cmp.Or(listErr, err)
	}
	r.Source.IsProfile = true
	return found, nil
}

// hasGateway reports whether a gateway is configured, completely or not.
func (r *Request) hasGateway(ctx context.Context) (isThere bool) {
	_ = r.App.Quiet().Client(chaim.Options{NoProfile: true, ReadOnly: true}, func(c *chaim.Client) error {
		isThere = cli.GatewaySource(ctx, c) != ""
		return nil
	})
	return isThere
}

// Lender calls fn with a client that gives keys for a profile of that name, which is held or parked: c, or one for profiles of
// the AWS config file if the profile has the keys of one.
func (r *Request) Lender(ctx context.Context, c *chaim.Client, name string, fn func(*chaim.Client) error) error {
	var s Source
	if book, err := profiles.OpenIn("", nil); err == nil {
		if err := s.find(ctx, r, book.AccountOf(name)); err != nil {
			return err
		}
	}
	if s.IsProfile {
		return r.App.Client(chaim.Options{NoProfile: true, Broker: r.Profiles()}, fn)
	}
	return fn(c)
}

// Profiles returns the broker that gives the keys of profiles.
func (r *Request) Profiles() chaim.Profiles {
	return chaim.Profiles{TokenCode: r.askCode, Sessions: r.sessions(), AllowInsecure: r.Insecure, Logger: r.App.Log}
}

// sessions returns what keeps MFA sessions for the next chaim, or nil.
func (r *Request) sessions() chaim.MFASessions {
	if r.MFA.Keeps || os.Getenv("CHAIM_KEEP_MFA") == "1" {
		return sessions{r.App}
	}
	return nil
}

// sessions keep MFA sessions in the private cache beside the credentials file.
type sessions struct{ app *cli.App }

func (s sessions) key(keyID, serial string) string { return credcache.Key("mfa", keyID, serial) }

// Load returns the session, if there is one that lasts.
func (s sessions) Load(_ context.Context, keyID, serial string) (aws.Credentials, error) {
	cache, err := credcache.Open(s.app.Log)
	if err != nil {
		return aws.Credentials{}, err
	}
	held, err := cache.Held(s.key(keyID, serial), time.Minute)
	if err != nil || held.AccessKeyID == "" {
		return aws.Credentials{}, err
	}
	return held.Retrieve(context.Background())
}

// Save keeps a session.
func (s sessions) Save(_ context.Context, keyID, serial string, session aws.Credentials) error {
	cache, err := credcache.Open(s.app.Log)
	if err != nil {
		return err
	}
	return cache.Keep(s.key(keyID, serial), chaim.AwsCreds{
		AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, SessionToken: session.SessionToken, Expires: session.Expires,
	})
}

// MFA says how the codes of MFA devices are asked for, and what becomes of the sessions.
type MFA struct {
	Keeps bool        // sessions are kept for the next chaim
	Turn  *sync.Mutex // is held to write to the terminal; nil if nothing else writes there
	Hide  func()      // erases what is drawn there
}

// askCode asks for the code of an MFA device on the terminal of this process, even if its streams lead elsewhere.
func (r *Request) askCode(ctx context.Context, d chaim.MFADevice) (string, error) {
	if r.App.Signals.HasProgram() {
		return "", fmt.Errorf("the program that runs has the terminal: set mfa_process in the profile, or %s, to a command that prints the code", awssts.MFACommand)
	}
	tty, err := term.Open()
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask for it on: set mfa_process in the profile, or %s, to a command that prints the code", awssts.MFACommand)
	}
	defer tty.Close()
	r.App.Waits.Close() // what it tells would stand in the question
	if r.MFA.Turn != nil {
		r.MFA.Turn.Lock()
		defer r.MFA.Turn.Unlock()
		r.MFA.Hide()
	}
	if d.IsRefused {
		fmt.Fprintln(tty.Out, "chaim: AWS refused the code; each code works once, so wait for the next one")
	}
	question := "MFA code of " + keys.Printable(d.Serial)
	if d.Profile != "" {
		question += " for profile " + keys.Printable(d.Profile)
	}
	return term.Ask(ctx, tty.In, tty.Out, question, true)
}
