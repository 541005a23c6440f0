package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/chaim-go/chaim/gateway/internal/audit"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

// attempts is how often a change is decided again because people, tokens or policy changed at the same time.
const attempts = 20

// Session is an open gateway: its configuration and its database. Access to both is full access, so the person at the
// machine is the actor of all that is done.
type Session struct {
	Config *config.Config
	DB     *store.DB
	Actor  audit.Actor
	Writer string
}

// Open opens the database of the configuration.
func (a *App) Open(ctx context.Context) (*Session, error) {
	c, _, err := a.Config()
	if err != nil {
		return nil, err
	}
	return OpenWith(ctx, c)
}

// OpenWith opens the database of c.
func OpenWith(ctx context.Context, c *config.Config) (*Session, error) {
	db, err := store.Open(ctx, c.Database.Reveal())
	if err != nil {
		return nil, err
	}
	actor := LocalActor()
	return &Session{Config: c, DB: db, Actor: actor, Writer: "chaim-gateway of " + actor.Name}, nil
}

// Close closes the database.
func (s *Session) Close() error { return s.DB.Close() }

func (s *Session) closeInto(err *error) { *err = errors.Join(*err, s.Close()) }

// LocalActor is the person at this machine.
func LocalActor() audit.Actor {
	name := cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME"), "unknown")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return audit.Actor{Kind: "os", Name: name + "@" + host}
}

// Event returns an event of this actor, now.
func (s *Session) Event(kind audit.Type, subject string, details ...string) audit.Event {
	e := audit.Event{Type: kind, At: time.Now().UTC().Truncate(time.Microsecond), Actor: s.Actor, Subject: subject}
	for pair := range slices.Chunk(details, 2) {
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details[pair[0]] = pair[1]
	}
	return e
}

// Change decides a change from the people, tokens and policy as they are, and stores it. If they change meanwhile it decides
// again. A change without events is none.
func (s *Session) Change(ctx context.Context, decide func(*store.View) (store.Change, error)) error {
	for range attempts {
		view, err := s.DB.View(ctx)
		if err != nil {
			return err
		}
		change, err := decide(view)
		if err != nil || len(change.Events) == 0 {
			return err
		}
		change.IfAuth, change.Raises = view.Auth, true
		if err := s.Append(ctx, change); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return fmt.Errorf("other commands change people, tokens or policy all the time: try again (after %d attempts)", attempts)
}

// Append stores a change as it is.
func (s *Session) Append(ctx context.Context, change store.Change) error {
	results, err := s.DB.Append(ctx, s.Writer, change)
	if len(results) > 0 && results[0] != nil {
		err = results[0]
	}
	if errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("%w: look whether the change is there before you repeat it", err)
	}
	return err
}

// Ring reads the key ring.
func (s *Session) Ring() (*token.Ring, error) {
	ring, err := token.LoadRing(s.Config.KeyRing)
	if err != nil {
		return nil, err
	}
	return ring, s.checkRing(ring)
}

// RingFile opens the key ring for a server, which reads it again when it changes.
func (s *Session) RingFile() (*token.File, error) {
	file, err := token.OpenFile(s.Config.KeyRing)
	if err != nil {
		return nil, err
	}
	return file, s.checkRing(file.Ring())
}

// checkRing refuses the key ring of another gateway.
func (s *Session) checkRing(ring *token.Ring) error {
	if ring.GatewayID() != s.DB.ID() {
		return fmt.Errorf("the key ring %s is that of gateway %s, but the database is that of %s: one of the two is of another installation",
			s.Config.KeyRing, ring.GatewayID(), s.DB.ID())
	}
	return nil
}

// FindUser returns a user by name.
func FindUser(view *store.View, name string) (store.User, error) {
	u, isKnown := view.Users[strings.ToLower(name)]
	if !isKnown {
		return u, fmt.Errorf("there is no user %q: 'chaim-gateway user list' lists them", name)
	}
	return u, nil
}
