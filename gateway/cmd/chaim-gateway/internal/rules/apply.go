package rules

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/gateway/policy/yaml"
)

// applyFlags are those of apply.
type applyFlags struct {
	file, message string
	isPlan        bool
	head          int64 // the version that the policy must have; negative means any
	isAll, asJSON bool
}

func applyCommand(a *cli.App) *cobra.Command {
	f := applyFlags{}
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make a file the policy, or with --plan say what that would change", Args: cobra.NoArgs,
		Long: `apply checks a policy and makes it the newest version. It says which person gets or loses which role in which account. With
--plan it only says so, and which version it compared with: give that to the apply that follows with --head, and it is
refused if the policy was changed in between.

All replicas use the new version from the next request on. Keys that users have stay valid until they expire.`,
		Example: `  chaim-gateway apply -f policy.yaml --plan
  chaim-gateway apply -f policy.yaml --head 7 --message "SRE reads production"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.file == "" {
				return cli.Usagef("apply which policy? Give its file with -f, or - for the standard input")
			}
			doc, err := readPolicy(a, f.file)
			if err != nil {
				return err
			}
			return a.With(cmd.Context(), func(s *cli.Session) error { return apply(cmd.Context(), a, s, f, doc) })
		},
	}
	set := cmd.Flags()
	set.StringVarP(&f.file, "file", "f", "", "the policy's `FILE`; - is the standard input")
	set.StringVarP(&f.message, "message", "m", "", "`TEXT` that says why, for the log of versions")
	set.BoolVar(&f.isPlan, "plan", false, "only say what would change")
	set.Int64Var(&f.head, "head", -1, "apply only if the policy is at this `VERSION`, such as that of the plan; 0 is before the first")
	set.BoolVar(&f.isAll, "all", false, "list each person, account and role on a line of its own")
	cli.AddJSONFlag(cmd, &f.asJSON)
	return cmd
}

// readPolicy reads the text of a policy.
func readPolicy(a *cli.App, path string) ([]byte, error) {
	if path == "-" {
		return readText(path, a.In)
	}
	return readFile(path)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readText(path, f)
}

func readText(path string, in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, policy.MaxDocument+1))
	if err == nil && len(text) > policy.MaxDocument {
		return nil, fmt.Errorf("%s is larger than %d KiB, the most that a policy can have", path, policy.MaxDocument>>10)
	}
	return text, err
}

// draft is a policy that was checked against the people of a view.
type draft struct {
	head     store.PolicyVersion // the version before
	text     []byte
	engine   *policy.Engine
	warnings policy.Problems
	diff     *policy.Diff
	isSame   bool // it is the newest version already
}

// prepare checks a policy and compares it with the newest version.
func prepare(view *store.View, provider config.OIDC, text []byte) (*draft, error) {
	doc, err := yaml.Parse(text)
	if err != nil {
		return nil, err
	}
	problems := policy.Check(doc, directory(view, provider))
	if err := problems.AsError(); err != nil {
		return nil, err
	}
	d := &draft{head: view.Policy, text: text, warnings: problems.Warnings()}
	if d.engine, err = policy.Compile(doc, view.Policy.Seq+1); err != nil {
		return nil, err
	}
	var before *policy.Engine
	if view.Policy.Seq > 0 {
		if before, err = cli.Compile(view.Policy); err != nil {
			return nil, err
		}
	}
	d.isSame = view.Policy.Seq > 0 && view.Policy.SHA256 == sha256.Sum256(text)
	d.diff = policy.Plan(before, d.engine, members(view), time.Now())
	return d, nil
}

// change makes the draft the newest version.
func (d *draft) change(s *cli.Session, view *store.View, message string) store.Change {
	var c store.Change
	if !d.isSame {
		sum := sha256.Sum256(d.text)
		e := s.Event(audit.PolicyApplied, "", "policy", fmt.Sprint(d.engine.Version()), "sha256", fmt.Sprintf("%x", sum), "message", message,
			"added", fmt.Sprint(d.diff.Count(policy.Added)), "removed", fmt.Sprint(d.diff.Count(policy.Removed)),
			"changed", fmt.Sprint(d.diff.Count(policy.Changed)))
		c.Events = append(c.Events, e)
		c.Effects = append(c.Effects, store.AddPolicy(store.PolicyVersion{
			Seq: d.engine.Version(), Doc: d.text, SHA256: sum, Author: s.Actor.Name, Message: message, At: e.At,
		}))
	}
	c.IfAuth, c.Raises = view.Auth, true
	return c
}

// release adds the end of the hold that a restore began. A server that applies policy.file by itself does not end it: the hold
// waits for a person.
func release(c store.Change, s *cli.Session, view *store.View) store.Change {
	if view.Frozen == cli.HeldAfterRestore {
		c.Events = append(c.Events, s.Event(audit.GatewayThawed, "", "reason", view.Frozen))
		c.Effects = append(c.Effects, store.Thaw())
	}
	return c
}

func apply(ctx context.Context, a *cli.App, s *cli.Session, f applyFlags, text []byte) error {
	view, err := s.DB.View(ctx)
	if err != nil {
		return err
	}
	d, err := prepare(view, s.Config.OIDC, text)
	if err != nil {
		return inFile(f.file, err)
	}
	if f.head >= 0 && f.head != d.head.Seq {
		return fmt.Errorf("the policy is at version %d, and the plan saw version %d: plan again", d.head.Seq, f.head)
	}
	for _, w := range d.warnings {
		a.Say("%v", placed{f.file, w})
	}
	if err := showPlan(a, d, f.isAll, f.asJSON); err != nil {
		return err
	}
	if f.isPlan {
		a.Say("nothing was applied; to apply it: chaim-gateway apply -f %s --head %d", f.file, d.head.Seq)
		return nil
	}
	change := release(d.change(s, view, f.message), s, view)
	if len(change.Events) == 0 {
		a.Say("the policy is at version %d already", d.head.Seq)
		return nil
	}
	err = s.Append(ctx, change)
	switch {
	case errors.Is(err, store.ErrStale), errors.Is(err, store.ErrConflict):
		return fmt.Errorf("people or policy were changed meanwhile, so the plan is not what would happen: apply again (%w)", err)
	case err != nil:
		return err
	case d.isSame:
		a.Say("the policy is at version %d already; the gateway lends again", d.head.Seq)
	default:
		a.Say("the policy is now at version %d", d.engine.Version())
	}
	return nil
}

// inFile names the file in the problems of a policy.
func inFile(file string, err error) error {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return fmt.Errorf("%s: %w", file, err)
	}
	all := make([]error, 0, len(problems))
	for _, p := range problems {
		all = append(all, placed{file, p})
	}
	return errors.Join(all...)
}

// placed is a problem with its place as editors read it: FILE:LINE:COLUMN.
type placed struct {
	file    string
	problem policy.Problem
}

func (p placed) Error() string {
	if p.problem.Line == 0 {
		return p.file + ": " + p.problem.String()
	}
	at := p.problem.Position
	p.problem.Position = policy.Position{}
	p.problem.Path = ""
	return fmt.Sprintf("%s:%d:%d: %s", p.file, at.Line, at.Column, p.problem)
}

// ApplyFile makes the policy of a file the newest version, unless it is already. Then the result has no Seq. It ends no freeze.
func ApplyFile(ctx context.Context, s *cli.Session, path string) (applied store.PolicyVersion, err error) {
	text, err := readFile(path)
	if err != nil {
		return applied, err
	}
	err = s.Change(ctx, func(view *store.View) (store.Change, error) {
		d, err := prepare(view, s.Config.OIDC, text)
		if err != nil {
			return store.Change{}, inFile(path, err)
		}
		applied = store.PolicyVersion{}
		if !d.isSame {
			applied.Seq = d.engine.Version()
		}
		return d.change(s, view, "from "+path), nil
	})
	return applied, err
}
