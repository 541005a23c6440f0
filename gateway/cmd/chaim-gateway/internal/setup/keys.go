package setup

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

func keysCommand(a *cli.App) *cobra.Command {
	return cli.Group("keys", "List, rotate and kill the keys of the key ring", keysList(a), keysRotate(a), keysKill(a))
}

// keyInfo is a key as it is printed.
type keyInfo struct {
	ID      string    `json:"id,omitempty"`
	Use     string    `json:"use"`
	State   string    `json:"state"`
	Created time.Time `json:"created"`
	Tokens  int       `json:"tokens"`
	Public  string    `json:"public,omitempty"`
}

func keysList(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the keys, without their secrets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				ring, err := s.Ring()
				if err != nil {
					return err
				}
				view, err := s.DB.View(cmd.Context())
				if err != nil {
					return err
				}
				var infos []keyInfo
				rows := [][]string{{"KEY", "USE", "STATE", "CREATED", "ACTIVE TOKENS"}}
				for _, k := range ring.Keys() {
					info := keyInfo{k.ID, k.Use, string(k.State), k.Created, activeTokens(view, k.ID), k.Public}
					infos = append(infos, info)
					count, id := "", k.Public
					if k.ID != "" {
						count, id = fmt.Sprint(info.Tokens), k.ID
					}
					rows = append(rows, []string{id, info.Use, info.State, info.Created.Format(time.DateTime), count})
				}
				return a.Show(asJSON, infos, rows)
			})
		},
	}
	cli.AddJSONFlag(cmd, &asJSON)
	return cmd
}

func activeTokens(view *store.View, keyID string) (n int) {
	for _, t := range view.Tokens {
		if t.Seal.KeyID == keyID && t.Revoked.IsZero() && time.Now().Before(t.Expires) {
			n++
		}
	}
	return n
}

func keysRotate(a *cli.App) *cobra.Command {
	var signing bool
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make a new key for tokens, or with --checkpoints one that signs", Args: cobra.NoArgs,
		Long: `rotate makes a new key in the key ring. Tokens that the key before has made work until they end, and checkpoints that it has
signed still verify. Replicas read the key ring anew when they meet a token of a new key; give each of them the new file before
tokens are made. A server signs with a new key for checkpoints after it has started again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				if _, err := s.Ring(); err != nil {
					return err
				}
				ring, err := token.Update(s.Config.KeyRing, func(r *token.Ring) (*token.Ring, error) {
					if signing {
						return r.RotateSigning()
					}
					return r.RotatePepper(), nil
				})
				if err != nil {
					return err
				}
				use, key := "tokens", ring.PepperID()
				if signing {
					public := ring.PublicKeys()
					use, key = "checkpoints", public[len(public)-1]
				}
				err = s.Append(cmd.Context(), store.Change{Events: []audit.Event{s.Event(audit.KeyRotated, "", "use", use, "key", key)}})
				if err == nil {
					a.Say("the key for %s is now %s", use, key)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&signing, "checkpoints", false, "rotate the key that signs checkpoints of the audit log")
	return cmd
}

func keysKill(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "kill KEY", Short: "End a key that strangers may have, with all tokens that it made", Args: cobra.ExactArgs(1),
		Long: `kill ends a key for tokens and all tokens that it made, at once. Its secret is removed from the key ring. If it was the one
that makes new tokens, there is a new one. The users need new tokens. Give each replica the new file of the key ring. A key for
checkpoints cannot be killed: 'keys rotate --checkpoints' makes another one, and the old one still verifies.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				if _, err := s.Ring(); err != nil {
					return err
				}
				ring, err := token.Update(s.Config.KeyRing, func(r *token.Ring) (*token.Ring, error) { return r.KillPepper(args[0]) })
				if err != nil {
					return err
				}
				ended := 0
				err = s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					ended = activeTokens(v, args[0])
					e := s.Event(audit.KeyRotated, "", "use", "tokens", "key", ring.PepperID(), "killed", args[0], "tokens", fmt.Sprint(ended))
					return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.RevokeTokensOfKey(args[0], e.At)}}, nil
				})
				if err == nil {
					a.Say("killed key %s and ended its active tokens, which were %d; the key for new tokens is %s", args[0], ended, ring.PepperID())
				}
				return err
			})
		},
	}
}
