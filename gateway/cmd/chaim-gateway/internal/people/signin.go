package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/session"
	"github.com/chaim-go/chaim/gateway/internal/store"
)

// identityInfo is an identity as it is printed.
type identityInfo struct {
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Created time.Time `json:"created"`
}

func identitiesOf(ctx context.Context, s *cli.Session, user string) (infos []identityInfo, err error) {
	found, err := s.DB.IdentitiesOf(ctx, user)
	for _, i := range found {
		infos = append(infos, identityInfo{i.Issuer, i.Subject, i.Created})
	}
	return infos, err
}

// identityFlags name an identity.
type identityFlags struct{ issuer, subject string }

func (f *identityFlags) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "the `URL` of the identity provider (default oidc.issuer)")
	cmd.Flags().StringVar(&f.subject, "subject", "", "the person's `ID` there, as the refused sign-in shows it (sub)")
}

func userLink(a *cli.App) *cobra.Command {
	var f identityFlags
	cmd := &cobra.Command{
		Use: "link NAME --subject ID", Short: "Say that a person at the identity provider is this user", Args: cobra.ExactArgs(1),
		Long: `link lets a person sign in at the identity provider as a user that there is already. A sign-in does not do that by itself, even
if the names are the same: at the provider the name may be another person's. The refused sign-in shows the command.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				i, err := f.identity(s)
				if err != nil {
					return err
				}
				if err = link(cmd.Context(), s, args[0], &i); err == nil {
					a.Say("linked user %s to %s at %s", i.User, cli.Printable(i.Subject), i.Issuer)
				}
				return err
			})
		},
	}
	f.addTo(cmd)
	return cmd
}

// identity is what the flags name.
func (f identityFlags) identity(s *cli.Session) (store.Identity, error) {
	issuer := cmp.Or(f.issuer, s.Config.OIDC.Issuer)
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return store.Identity{}, cli.Usagef("which identity provider? The configuration has no oidc.issuer, so give --issuer URL")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return store.Identity{}, cli.Usagef("--issuer is an address such as https://idp.example.com, not %q", issuer)
	case f.subject == "" || len(f.subject) > 255 || strings.ContainsFunc(f.subject, unicode.IsControl):
		return store.Identity{}, cli.Usagef("--subject is the person's id at the provider, as the refused sign-in shows it")
	}
	return store.Identity{Issuer: issuer, Subject: f.subject}, nil
}

// link stores that an identity is a user, and completes the identity.
func link(ctx context.Context, s *cli.Session, user string, i *store.Identity) error {
	return s.Change(ctx, func(v *store.View) (store.Change, error) {
		u, err := cli.FindUser(v, user)
		if err != nil {
			return store.Change{}, err
		}
		known, err := s.DB.Identity(ctx, i.Issuer, i.Subject)
		switch {
		case err == nil:
			return store.Change{}, fmt.Errorf("that person is user %s already: 'chaim-gateway user unlink %[1]s' comes first", known.User)
		case !errors.Is(err, store.ErrNotFound):
			return store.Change{}, err
		}
		e := s.Event(audit.IdentityAdded, u.Name, "issuer", i.Issuer, "subject", i.Subject)
		i.User, i.Created = u.Name, e.At
		return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddIdentity(*i)}}, nil
	})
}

func userUnlink(a *cli.App) *cobra.Command {
	var f identityFlags
	cmd := &cobra.Command{
		Use: "unlink NAME", Short: "Say that a person at the identity provider is not this user any more", Args: cobra.ExactArgs(1),
		Long: `unlink ends the link of a user to a person at the identity provider, and all sign-ins of the user: those of browsers and of
'chaim login'. Tokens that were made by hand stay. --subject is needed only if the user has several links.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				var gone store.Identity
				err := s.Change(cmd.Context(), func(v *store.View) (store.Change, error) {
					u, err := cli.FindUser(v, args[0])
					if err == nil {
						gone, err = f.linked(cmd.Context(), s, u.Name)
					}
					if err != nil {
						return store.Change{}, err
					}
					e := s.Event(audit.IdentityGone, u.Name, "issuer", gone.Issuer, "subject", gone.Subject)
					return store.Change{
						Events: []audit.Event{e}, Effects: []store.Effect{store.RemoveIdentity(gone), store.RevokeSignInsOf(u.Name, e.At)},
					}, nil
				})
				if err == nil {
					a.Say("user %s is not linked to %s at %s any more; the user's sign-ins have ended", gone.User, cli.Printable(gone.Subject), gone.Issuer)
				}
				return err
			})
		},
	}
	f.addTo(cmd)
	return cmd
}

// linked returns the one identity of a user that the flags do not exclude.
func (f identityFlags) linked(ctx context.Context, s *cli.Session, user string) (store.Identity, error) {
	all, err := s.DB.IdentitiesOf(ctx, user)
	if err != nil {
		return store.Identity{}, err
	}
	var found []store.Identity
	var subjects []string
	for _, i := range all {
		if (f.issuer == "" || f.issuer == i.Issuer) && (f.subject == "" || f.subject == i.Subject) {
			found = append(found, i)
			subjects = append(subjects, cli.Printable(i.Subject)+" at "+i.Issuer)
		}
	}
	switch len(found) {
	case 0:
		return store.Identity{}, fmt.Errorf("user %s has no such link: 'chaim-gateway user show %[1]s' shows what there is", user)
	case 1:
		return found[0], nil
	}
	return store.Identity{}, cli.Usagef("user %s has several links: give --issuer and --subject of one of %s", user, strings.Join(subjects, ", "))
}

func userSignInLink(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "sign-in-link NAME", Short: "Print a link that signs a browser in once", Args: cobra.ExactArgs(1),
		Long: `sign-in-link prints a link that signs a browser in as a user, without an identity provider. It works once, for 15 minutes. The link
is as good as the user's password: give it to the user alone.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				address, err := SignInLink(cmd.Context(), s, args[0])
				if err != nil {
					return err
				}
				a.Say("the link works once, until %s", shortTime(time.Now().Add(session.LinkLife)))
				_, err = fmt.Fprintln(a.Out, address)
				return err
			})
		},
	}
}

// SignInLink makes a link that signs a browser in as a user, once, within 15 minutes. The user must be active.
func SignInLink(ctx context.Context, s *cli.Session, user string) (address string, err error) {
	base := s.Config.Server.URL
	if strings.Trim(base.Path, "/") != "" {
		return "", fmt.Errorf("the pages need a host of their own, and url has a path: %s", base)
	}
	ring, err := s.Ring()
	if err != nil {
		return "", err
	}
	err = s.Change(ctx, func(v *store.View) (store.Change, error) {
		u, err := cli.FindUser(v, user)
		switch {
		case err != nil:
			return store.Change{}, err
		case u.Disabled:
			return store.Change{}, fmt.Errorf("user %s is disabled: 'chaim-gateway user enable %[1]s' comes first", u.Name)
		}
		e := s.Event(audit.LinkMade, u.Name)
		code, row := session.NewLink(ring, u.Name, e.At)
		e.Details = map[string]string{"expires": row.Expires.Format(time.RFC3339)}
		address = base.JoinPath("/auth/link").String() + "?code=" + code.Reveal()
		return store.Change{Events: []audit.Event{e}, Effects: []store.Effect{store.AddFlow(row)}}, nil
	})
	if err != nil {
		return "", err
	}
	return address, nil
}
