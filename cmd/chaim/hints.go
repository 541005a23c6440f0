package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// hint says what may help after an error, or nothing. It goes by the texts of gateways, which also come out of the cache and
// from the accounts of each.
func hint(err error, code int) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "usertoken has expired"), strings.Contains(text, "Invalid token"):
		return newToken
	case strings.Contains(text, "Role not recognised"), strings.Contains(text, "Role not found"):
		return "a role is one of the aliases " + strings.Join(commonRoles, ", ") + ", another alias of your gateway, or the full name of a role"
	case errors.Is(err, chaim.ErrNotConfigured) && lacksToken():
		return passGatewayHint
	case strings.Contains(text, noRole):
		return newKeys
	case errors.Is(err, chaim.ErrNotConfigured):
		return "'chaim init' sets up a gateway"
	case errors.Is(err, sharedfile.ErrNoStore):
		return "'chaim exec' with --serve or --env stores nothing"
	case code == exitUnreachable:
		return "'chaim doctor' looks for the reason"
	}
	return ""
}

// newToken says how to get one.
const newToken = "get a new user token from your gateway, such as by its command in Slack, and give its init string to 'chaim init'"

// newKeys says how to get keys that chaim can ask for others with.
const newKeys = "run 'chaim init' for a gateway, or log in, or name a profile with keys in AWS_PROFILE"

// noRole begins what the AWS SDK says where no place has keys: it asks EC2 last, and tells in many words of that only.
const noRole = "no EC2 IMDS role found, "

// inFlags says what the library says of its options in words of the command line.
var inFlags = strings.NewReplacer(" or AllowInsecure", " or --insecure", ", and no Options.Broker or Source", "", "Options.Settings", "the settings")

// plainly is one line of an error in words of the command line.
func plainly(line string) string {
	if before, _, isLast := strings.Cut(line, noRole); isLast {
		line = strings.TrimSuffix(before, "failed to refresh cached credentials, ") +
			"the environment and the AWS files have none, and this machine has no EC2 role"
	}
	return inFlags.Replace(strings.TrimPrefix(strings.TrimSpace(line), "chaim: "))
}

// suggestTime bounds the wait for the list of accounts after a refusal.
const suggestTime = 5 * time.Second

// requestKeys has a client for an account get keys.
func requestKeys(ctx context.Context, c *chaim.Client, account string) (chaim.AwsCreds, error) {
	creds, err := c.RequestKeys(ctx)
	return creds, suggestAccount(ctx, c, account, err)
}

// suggestAccount adds to the refusal of an account that is not there the names that were probably meant.
func suggestAccount(ctx context.Context, c *chaim.Client, account string, err error) error {
	refusal := (*chaim.GatewayError)(nil)
	if account == "" || !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "Account not found") {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, suggestTime)
	defer cancel()
	accounts, failed := c.RequestList(ctx)
	if failed != nil {
		return err
	}
	var names, shown []string
	for _, a := range accounts {
		names = append(names, a.Name, a.ID)
	}
	for _, alike := range nearest(account, names) {
		shown = append(shown, keys.Printable(alike))
	}
	also := "'chaim listall' lists the accounts"
	if len(shown) > 0 {
		also = "did you mean " + strings.Join(shown, " or ") + "?"
	}
	return errtext.Chain(fmt.Sprintf("%v; %s", err, also), err)
}

// missingDash is the hint for a program that has no -- before it: at begins the program in args.
func (a *app) missingDash(args []string, at int) error {
	text := fmt.Sprintf("%q looks like a program: put -- before it: %s", args[at], a.withDash(args, at))
	if at == 1 {
		text += "; for a role of that name, write --role"
	}
	return usageError{text}
}

// withDash is the command line with -- before the argument at.
func (a *app) withDash(args []string, at int) string {
	line, from := slices.Clone(a.args), 0
	for _, word := range args[:at+1] {
		from += slices.Index(line[from:], word) + 1
	}
	line = slices.Insert(line, max(from-1, 0), "--")
	return commandLine(line)
}

// commandLine is chaim with these arguments, for people.
func commandLine(args []string) string {
	line := []string{"chaim"}
	for _, word := range args {
		line = append(line, quoted(word))
	}
	return strings.Join(line, " ")
}

// checkDash refuses a program with no --, or with one that comes before the account.
func (a *app) checkDash(cmd *cobra.Command, args []string, hasRole bool) error {
	before, program := splitAtDash(cmd, args)
	switch {
	case len(before) == 0 && len(program) > 1:
		line := slices.Clone(a.args)
		dash := slices.Index(line, "--")
		line[dash], line[dash+1] = line[dash+1], line[dash]
		return usageError{"-- came too early, before the account: " + commandLine(line)}
	case program != nil || len(args) < 2:
		return nil
	case hasRole && !slices.Contains(commonRoles, args[1]), isProgram(args[1]):
		return a.missingDash(args, 1)
	case len(args) > 2:
		return a.missingDash(args, 2)
	}
	return nil
}

// isProgram reports whether a word is a program, and not the role that could stand there.
func isProgram(word string) bool {
	_, err := exec.LookPath(word)
	return err == nil || strings.HasPrefix(word, ".") || strings.HasPrefix(word, "/")
}

// explainFlags says of a flag that exec or each does not know that it may be one of a program with no -- before it.
func explainFlags(min int) func(*cobra.Command, error) error {
	return func(cmd *cobra.Command, err error) error {
		err = plainFlags(cmd, err)
		before := cmd.Flags().Args() // as far as they were read
		if len(before) < min || cmd.ArgsLenAtDash() >= 0 {
			return err
		}
		at := min - 1
		if at > 0 && len(before) > 2 && !isProgram(before[at]) {
			at++
		}
		return errtext.Chain(fmt.Sprintf("%s; if that is a flag of %q, put -- before the program", errtext.Unprefixed(err), before[at]), err)
	}
}
