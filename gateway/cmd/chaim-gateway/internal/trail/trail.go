// Package trail has the commands about what has happened: audit, whose-key, freeze and thaw.
package trail

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/awsrole"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// Commands returns the commands.
func Commands(a *cli.App) []*cobra.Command {
	return []*cobra.Command{auditCommand(a), whoseKeyCommand(a), freezeCommand(a), thawCommand(a)}
}

// issueInfo is an issue as it is printed.
type issueInfo struct {
	Key  string `json:"key"`
	User string `json:"user"`
	target
	State   string    `json:"state"`
	Asked   time.Time `json:"asked"`
	Expires time.Time `json:"expires,omitzero"`
	Issue   string    `json:"issue"`
	Token   string    `json:"token,omitempty"`
}

// target is the role that keys are for.
type target struct {
	Account string `json:"account"`
	Role    string `json:"role"`
}

func whoseKeyCommand(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "whose-key KEYID|ISSUE", Short: "Say for whom an access key was made", Args: cobra.ExactArgs(1),
		Long: `whose-key finds the user, account and role of an access key by its id, ASIA…, which is no secret: CloudTrail and error messages
of AWS have it. It also takes the id of an issue, iss_…, which each AssumeRole in CloudTrail has in the tag chaim-issue: if the
gateway's process died while AWS made the keys, the log has the issue, in the state unknown, but not the id of its keys.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				id, find := strings.TrimSpace(args[0]), s.DB.IssueByKey
				if strings.HasPrefix(id, "iss_") {
					find = s.DB.Issue
				}
				found, err := find(cmd.Context(), id)
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("the log has no key or issue %q; if CloudTrail has an AssumeRole for the key, give the issue in its tag chaim-issue", id)
				}
				if err != nil {
					return err
				}
				role, err := awsrole.Name(found.RoleARN)
				if err != nil {
					return err
				}
				i := issueInfo{
					found.Keys.ID, found.User, target{found.Account, role}, string(found.State), found.At, found.Keys.ExpiresAt, found.ID, found.Origin.Token,
				}
				if asJSON {
					return a.JSON(i)
				}
				return a.Table([][]string{
					{"key", i.Key},
					{"user", i.User},
					{"account", i.Account},
					{"role", i.Role},
					{"state", i.State},
					{"asked", i.Asked.Format(time.RFC3339)},
					{"expires", expiry(i.Expires)},
					{"issue", i.Issue},
					{"token", i.Token},
				})
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func expiry(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func freezeCommand(a *cli.App) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "freeze --reason TEXT", Short: "Stop all lending at once", Args: cobra.NoArgs,
		Long: `freeze stops all lending on every replica, from the next request on. Users are told the reason. Keys that they have stay valid
until they expire. 'chaim-gateway thaw' ends it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usagef("why? Give --reason: users are told it")
			}
			return a.With(cmd.Context(), func(s *cli.Session) error {
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					if v.Frozen != "" {
						return store.Change{}, fmt.Errorf("lending is stopped already: %s", v.Frozen)
					}
					return store.Change{
						Events:  []audit.Event{s.Event(audit.GatewayFrozen, "", "reason", reason)},
						Effects: []store.Effect{store.Freeze(reason)},
					}, nil
				})
				if err == nil {
					a.Say("nothing is lent from now on; keys that users have stay valid until they expire")
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "`TEXT` that users are told")
	return cmd
}

func thawCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "thaw", Short: "Lend again after a freeze", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				was := ""
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					if was = v.Frozen; was == "" {
						return store.Change{}, errors.New("lending is not stopped")
					}
					return store.Change{
						Events: []audit.Event{s.Event(audit.GatewayThawed, "", "reason", was)}, Effects: []store.Effect{store.Thaw()},
					}, nil
				})
				if err == nil {
					a.Say("the gateway lends again; it had been stopped: %s", was)
				}
				return err
			})
		},
	}
}
