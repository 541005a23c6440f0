package rules

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/gateway/policy/yaml"
)

// explanation is the answer of explain as JSON.
type explanation struct {
	Allow   bool     `json:"allow"`
	Reason  string   `json:"reason"`
	Grant   string   `json:"grant,omitempty"`
	Deny    string   `json:"deny,omitempty"`
	Seconds int64    `json:"seconds"` // the longest lifetime of the keys
	Version int64    `json:"version"`
	Text    []string `json:"text"`
}

// question is what explain is asked.
type question struct {
	user, account, role string
	at, ip              string
}

func explainCommand(a *cli.App) *cobra.Command {
	var q question
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain USER ACCOUNT ROLE", Short: "Say whether a user may use a role in an account, and why", Args: cobra.ExactArgs(3),
		Long: `explain decides as the server does, and names the version and the rule. If the answer is no, it says what the grants lack that
nearly allow it. Its exit code is 3 then. Without --ip a condition on addresses does not hold. What AWS limits is not in it: if
the gateway's identity is a role, keys last an hour at most.`,
		Example: "  chaim-gateway explain alice sredev apu --ip 10.1.2.3 --at 2026-12-24T20:00:00Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			q.user, q.account, q.role = args[0], args[1], args[2]
			return a.With(cmd.Context(), func(s *cli.Session) error { return explain(cmd.Context(), a, s, q, asJSON) })
		},
	}
	cmd.Flags().StringVar(&q.at, "at", "", "decide for this `TIME`, as 2026-11-30T21:00:00Z (default now)")
	cmd.Flags().StringVar(&q.ip, "ip", "", "decide for a request from this `ADDRESS` (default unknown)")
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func explain(ctx context.Context, a *cli.App, s *cli.Session, q question, asJSON bool) error {
	at, addr := time.Now(), netip.Addr{}
	var err error
	if q.at != "" {
		if at, err = time.Parse(time.RFC3339, q.at); err != nil {
			return cli.Usagef("--at is a time as 2026-11-30T21:00:00Z, not %q", q.at)
		}
	}
	if q.ip != "" {
		if addr, err = netip.ParseAddr(q.ip); err != nil {
			return cli.Usagef("--ip is an address, not %q", q.ip)
		}
	}
	view, engine, err := s.Policy(ctx)
	if err != nil {
		return err
	}
	u, err := cli.FindUser(view, q.user)
	if err != nil {
		return err
	}
	account, role, err := find(engine, q.account, q.role)
	if err != nil {
		return err
	}
	x := engine.Explain(policy.Query{Person: engine.Person(u.Name, u.Groups), Account: account.ID, Role: role.Alias, At: at, Addr: addr})
	text := strings.TrimRight(x.String(), "\n")
	var also []string
	if u.Disabled {
		also = append(also, "but the user is disabled, and gets nothing")
	}
	if view.Frozen != "" {
		also = append(also, "but nothing is lent to anyone: "+view.Frozen)
	}
	isAllowed := x.Decision.Allow && len(also) == 0
	if asJSON {
		d := x.Decision
		err = a.JSON(explanation{
			isAllowed, string(d.Reason), d.Grant, d.Deny, int64(d.Max / time.Second), d.Version, append(strings.Split(text, "\n"), also...),
		})
	} else {
		_, err = fmt.Fprintln(a.Out, strings.Join(append([]string{text}, also...), "\n"))
	}
	if err == nil && !isAllowed {
		return &cli.Exit{Code: cli.ExitDenied}
	}
	return err
}

func policyTest(a *cli.App) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "test CASES", Short: "Test a policy with cases from a file, such as in CI", Args: cobra.ExactArgs(1),
		Long: `test decides each case of a YAML file and compares the answer with the one that the file wants. Its exit code is 1 if a case
fails. With --policy it needs neither configuration nor database: write the groups of a user into the case then.

A case is a line such as
    - {user: alice, account: sredev, role: rro, may: true}
    - {groups: [sre], account: sreprod, role: apu, at: 2026-12-24T12:00:00Z, ip: 10.1.2.3, may: false}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readFile(args[0])
			if err != nil {
				return err
			}
			cases, err := yaml.ParseCases(text)
			if err != nil {
				return inFile(args[0], err)
			}
			if file != "" {
				return testFile(a, file, args[0], cases)
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				view, engine, err := s.Policy(cmd.Context())
				if err != nil {
					return err
				}
				return showCases(a, args[0], engine.Test(cases, members(view), time.Now()))
			})
		},
	}
	cmd.Flags().StringVar(&file, "policy", "", "test this `FILE` instead of the policy that was applied")
	return cmd
}

// testFile tests a policy that need not be applied.
func testFile(a *cli.App, file, casesFile string, cases []policy.Case) error {
	text, err := readPolicy(a, file)
	if err != nil {
		return err
	}
	doc, err := yaml.Parse(text)
	if err != nil {
		return inFile(file, err)
	}
	engine, err := policy.Compile(doc, 0)
	if err != nil {
		return inFile(file, err)
	}
	return showCases(a, casesFile, engine.Test(cases, nil, time.Now()))
}

func showCases(a *cli.App, file string, results []policy.CaseResult) error {
	bad := 0
	for _, r := range results {
		if r.Passed {
			continue
		}
		bad++
		if _, err := fmt.Fprintf(a.Out, "%s: %s\n", file, strings.TrimRight(r.String(), "\n")); err != nil {
			return err
		}
	}
	if bad > 0 {
		return &cli.Exit{Code: cli.ExitFailed, Text: fmt.Sprintf("%d of %d cases failed", bad, len(results))}
	}
	a.Say("all %d cases passed", len(results))
	return nil
}
