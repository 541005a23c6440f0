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
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/profiles"
)

// This file is about profiles of the AWS config file as the source of keys.

// Source says where the keys come from if neither a gateway nor plain STS gives them.
type Source struct {
	Profile   string // given as --profile
	IsProfile bool   // the account is a profile of the AWS config file
	role      string // that the profile has
	isFixed   bool   // the lifetime of its keys cannot be chosen
	isSTS     bool   // AWS STS gives the keys, with settings that its fallback does not have
}

// AddProfileFlag gives cmd the flag --profile.
func (r *Request) AddProfileFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.Source.Profile, "profile", "", "take the keys of the profile `NAME` of the AWS config file, in place of an ACCOUNT")
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		files, _ := profiles.AWSFiles{}.Profiles()
		return plain(files.Leading()), cobra.ShellCompDirectiveNoFileComp
	})
}

// find decides whether a name is that of a profile of the AWS config file. It is not if the gateway or the Identity Center
// has an account of that name. If they cannot be asked, find returns an error, because a name must not silently change its
// meaning.
func (s *Source) find(ctx context.Context, r *Request, account string) error {
	files, err := profiles.AWSFiles{}.Profiles()
	switch {
	case s.Profile != "":
		s.IsProfile = true
	case err != nil, keys.IsAccountID(account), !files.Has(account):
		return nil
	case r.giver(ctx).listsAccounts():
		isAccount, err := r.isAccount(ctx, account)
		if err != nil {
			return fmt.Errorf("%w; %s is also a profile of the AWS config file, which --profile %[2]s takes", err, keys.QuoteShort(account))
		}
		s.IsProfile = !isAccount
	default:
		if session := r.otherCenter(ctx, account); session != "" {
			return cli.Usagef("%s is an account of IAM Identity Center and a profile of the AWS config file: %s=%s takes the account, and --profile %[1]s the profile",
				keys.QuoteShort(account), idcenter.SessionVariable, keys.Printable(session))
		}
		s.IsProfile = true
	}
	if chain, err := files.Chain(account); err == nil && s.IsProfile {
		s.role, s.isFixed = chain.Role(), chain.Decides() != ""
	}
	return nil
}

// exactProfile returns the only profile of the AWS config file whose name differs from name in case alone, if no broker
// lists accounts. Otherwise it returns name.
func (r *Request) exactProfile(ctx context.Context, name string) string {
	if r.Source.Profile != "" {
		return name
	}
	files, _ := profiles.AWSFiles{}.Profiles()
	exact := cli.OtherCase(name, files.Leading())
	if exact == "" || files.Has(name) || r.giver(ctx).listsAccounts() {
		return name
	}
	r.tellExact(name, exact)
	return exact
}

// List returns the accounts that flags choose, or else those of the gateway or the Identity Center, or else the profiles of
// the AWS config file. All later requests are for accounts of the same kind.
func (r *Request) List(ctx context.Context) (known []chaim.Account, err error) {
	if err := r.sts.check(ctx); err != nil {
		return nil, err
	}
	g := r.giver(ctx)
	if err := r.checkList(g); err != nil {
		return nil, err
	}
	if r.Among.isGiven() {
		return r.Among.list(ctx, r, g)
	}
	opts := r.Options("any") // an account makes the client check the region, which a list does not need
	opts.NoProfile = true
	err = r.App.Client(opts, func(c *chaim.Client) error {
		known, err = r.listBy(ctx, c)
		return err
	})
	if !errors.Is(err, chaim.ErrNotConfigured) || g.listsAccounts() { // whose settings may be incomplete
		return known, err
	}
	found, listErr := chaim.Profiles{}.Accounts(ctx)
	if len(found) == 0 {
		return nil, cmp.Or(listErr, err)
	}
	r.Source.IsProfile = true
	return found, nil
}

// checkList refuses flags that do not go with the accounts of the list.
func (r *Request) checkList(g giver) error {
	flag := r.sts.given()
	switch m := r.Among; {
	case m.inConfig && flag != "":
		return cli.Usagef("%s is for AWS STS, but --profiles takes profiles of the AWS config file: set it there", flag)
	case m.inConfig:
		return nil
	case flag != "" && !m.isGiven():
		return cli.Usagef("%s is for AWS STS: name the accounts with --organization, --accounts or --account", flag)
	case m.inOrganization && g.isChosen:
		return cli.Usagef("--organization is for AWS STS, but %s", g.says)
	case m.inOrganization:
		return nil
	case flag != "":
		return g.refuseFlag(flag)
	}
	return g.refuseDuration(r.Duration)
}

// Lender calls fn with a client that gets new keys for the held or parked profile of that name. It is c, or a client with
// [chaim.Profiles] if the keys are those of a profile of the AWS config file.
func (r *Request) Lender(c *chaim.Client, name string, fn func(*chaim.Client) error) error {
	if book, err := profiles.OpenIn("", nil); err == nil && book.AccountOf(name).FromConfig {
		return r.App.Client(chaim.Options{NoProfile: true, Broker: r.Profiles()}, fn)
	}
	return fn(c)
}

// Profiles returns the broker that gives the keys of profiles.
func (r *Request) Profiles() chaim.Profiles {
	return chaim.Profiles{TokenCode: r.askCode, Sessions: r.sessions(), AllowInsecure: r.Insecure, Logger: r.App.Log}
}

// sessions returns the store that keeps MFA sessions for the next chaim, or nil.
func (r *Request) sessions() chaim.MFASessions {
	if r.MFA.Keeps || os.Getenv("CHAIM_KEEP_MFA") == "1" {
		return sessions{r.App}
	}
	return nil
}

// sessions keep MFA sessions in the private cache beside the credentials file.
type sessions struct{ app *cli.App }

func (s sessions) key(user, serial string) string { return credcache.Key("mfa", user, serial) }

// Load returns the session, if there is one that is valid for another minute.
func (s sessions) Load(_ context.Context, user, serial string) (aws.Credentials, error) {
	cache, err := credcache.Open(s.app.Log)
	if err != nil {
		return aws.Credentials{}, err
	}
	held, err := cache.Held(s.key(user, serial), time.Minute)
	if err != nil || held.AccessKeyID == "" {
		return aws.Credentials{}, err
	}
	return held.Retrieve(context.Background())
}

// Save keeps a session.
func (s sessions) Save(_ context.Context, user, serial string, session aws.Credentials) error {
	cache, err := credcache.Open(s.app.Log)
	if err != nil {
		return err
	}
	return cache.Keep(s.key(user, serial), chaim.AwsCreds{
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
	r.App.Waits.Close() // its messages would stand in the question
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
	for {
		text, err := term.Ask(ctx, tty.In, tty.Out, question, true)
		if err != nil {
			return "", err
		}
		if code, err := awssts.CleanCode(text); err == nil {
			return code, nil
		}
		fmt.Fprintln(tty.Out, "chaim: a code has six digits")
	}
}
