package doctor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/center"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/awssts"
	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/idcenter"
	"github.com/chaim-go/chaim/internal/profiles"
)

// checkConfig checks the profiles and the sessions of the AWS config file.
func (r *report) checkConfig(ctx context.Context, a *cli.App) {
	files, err := profiles.AWSFiles{}.Profiles()
	if err != nil {
		return // the checks of the files say so
	}
	r.checkSessions(ctx, a, files)
	var broken, ambiguous, coded []string
	leading := files.Leading()
	for _, name := range leading {
		chain, err := files.Chain(name)
		if err != nil {
			broken = append(broken, errtext.Unprefixed(err))
		}
		ambiguous = append(ambiguous, chain.Notes...)
		if lacksCode(chain) {
			coded = append(coded, name)
		}
	}
	if len(leading) == 0 {
		return
	}
	for _, text := range broken {
		r.add("profiles", warn("%s", text).advise("correct the profile in the AWS config file"))
	}
	for _, text := range slices.Compact(slices.Sorted(slices.Values(ambiguous))) {
		r.add("profiles", warn("%s", text).advise("leave one of them in the profile"))
	}
	if len(coded) > 0 && !canAsk() {
		r.add("MFA", warn("%s %s the code of an MFA device, and there is no terminal to ask for it on", strings.Join(coded, ", "), verb(len(coded), "needs", "need")).
			advise("set mfa_process in the profile, or "+awssts.MFACommand+", to a command that prints the code"))
	}
	if usable := len(leading) - len(broken); usable > 0 {
		r.add("profiles", ok("%s of the AWS config file can be used", term.Counted(usable, "profile", "profiles")))
	}
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// lacksCode reports whether a profile needs codes that no command gives.
func lacksCode(c awsprofile.Chain) bool {
	if os.Getenv(awssts.MFACommand) != "" {
		return false
	}
	lacks := c.Source.MFA.Serial != "" && c.Source.MFA.Process == ""
	for _, role := range c.Roles {
		lacks = lacks || role.MFA.Serial != "" && role.MFA.Process == ""
	}
	return lacks
}

// canAsk reports whether this process has a terminal on which a person can be asked.
func canAsk() bool {
	tty, err := term.Open()
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// checkSessions checks the sections [sso-session NAME].
func (r *report) checkSessions(ctx context.Context, a *cli.App, files awsprofile.Files) {
	isUsed := map[string]bool{}
	for _, pairs := range files.Profiles {
		isUsed[pairs["sso_session"]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files.Sessions)) {
		what := "session " + name
		for _, key := range []string{"sso_start_url", "sso_region"} {
			if files.Sessions[name][key] == "" {
				r.add(what, warn("[sso-session %s] has no %s, which SDKs need", name, key).advise("add it in the AWS config file"))
			}
		}
		c, err := a.FindCenter(idcenter.Center{Session: name})
		if err != nil {
			r.add(what, warn("%s", errtext.Unprefixed(err)).advise("correct [sso-session "+name+"] in the AWS config file"))
			continue
		}
		if isUsed[name] && len(files.Sessions) > 1 { // checkCenter checks the only one
			r.add(what, checkSignIn(ctx, c, warn))
		}
	}
}

// checkCenter checks the Identity Center that gives the keys.
func (r *report) checkCenter(ctx context.Context, c *chaim.Client, found *idcenter.Center) {
	signedIn := checkSignIn(ctx, found, fail)
	r.add("Identity Center", signedIn)
	if signedIn.State == stateFail {
		return
	}
	start := time.Now()
	accounts, err := c.RequestList(ctx)
	if err != nil {
		r.add("Identity Center answers", refused(ctx, err))
		return
	}
	took := max(time.Since(start), time.Millisecond).Round(time.Millisecond)
	r.add("Identity Center answers", ok("%s, after %s", term.Counted(len(accounts), "account", "accounts"), took))
}

// checkSignIn checks whether the user is signed in. bad makes the check if the user is not.
func checkSignIn(ctx context.Context, c *idcenter.Center, bad func(format string, args ...any) check) check {
	token, err := c.Standing(ctx)
	if err != nil {
		text, _, _ := strings.Cut(errtext.Unprefixed(err), ": run ")
		return bad("%s", text).advise("run " + c.Command())
	}
	return ok("signed in to %s; %s", strings.TrimPrefix(cli.TellCenter(c), "IAM Identity Center "), center.Tell(token, time.Now()))
}

// noKeys is the check of STS if the AWS SDK finds no keys.
func noKeys(err error) check {
	files, readErr := profiles.AWSFiles{}.Profiles()
	if n := len(files.Leading()); readErr == nil && n > 0 && cli.FoundNoKeys(err) {
		return ok("is not asked: keys come from %s of the AWS config file", term.Counted(n, "profile", "profiles"))
	}
	text := cli.Plainly(awssts.Foreign(err, profiles.AWSFiles{}).Error())
	do := cli.NewKeys
	if hint := cli.SignInAgain(err); hint != "" {
		do = hint
	}
	return check{State: stateFail, Found: fmt.Sprintf("there are no keys to ask it with: %s", text), Do: do}
}
