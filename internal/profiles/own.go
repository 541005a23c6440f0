package profiles

import (
	"context"

	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
)

// Book returns the book of the file that the profile is in, with the same chaim-parked.
func (s *Scope) Book() *Book {
	own := *s.book
	own.file = s.file()
	return &own
}

// Delete removes the profile, even a kept one, and its copy in [default], and ends the scope. It returns the account of the
// profile. After an error the scope goes on, with its profile.
func (s *Scope) Delete(ctx context.Context) (Holder, error) {
	var account Holder
	err := s.take(ctx, func(_ string, pairs map[string]string) error {
		if pairs != nil {
			account = HolderOf(pairs)
		} else if account.Name == "" {
			h := s.hold()
			defer h.release()
			account = newHolder(h.state.grant.Account, h.state.grant.AccountID)
			account.FromConfig = h.spec.Account.FromConfig
		}
		return nil
	})
	return account, err
}

// Park is Delete, but keeps the definition of the profile in chaim-parked.
func (s *Scope) Park(ctx context.Context) error {
	return s.take(ctx, func(name string, pairs map[string]string) error { return s.book.park(ctx, name, pairs) })
}

// take removes the profile and ends the scope. Before that, in the same edit, it calls also with the name and the managed
// keys of the section, or with nil if the section is gone. The state is not held then, because also may wait for another
// file.
func (s *Scope) take(ctx context.Context, also func(name string, pairs map[string]string) error) error {
	endTurn, err := s.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer endTurn()
	isTaken := false
	err = whereFull(func(isFull bool) error {
		return s.book.withParked(ctx, func() error {
			p, err := pin(s.file())
			if err != nil {
				return err
			}
			p.file.IsApart = isFull
			return edit(ctx, p.file, func(doc *inifile.Document) error {
				name, pairs, err := s.ownIn(doc, isTaken)
				if err != nil {
					return err
				}
				if err := also(name, pairs); err != nil {
					return err
				}
				switch {
				case pairs == nil && s.spec.Keep:
					return followDefault(doc, name, nil, nil)
				case pairs == nil:
					return nil
				}
				isTaken = true
				h := s.hold()
				defer h.release()
				if isFull {
					h.state.lease.giveBack()
				}
				return deleteSection(doc, name, pairs)
			})
		})
	})
	h := s.hold()
	defer h.release()
	if err != nil {
		h.state.lease.takeBack()
		return err
	}
	s.end(keys.ErrClosed)
	h.state.section = ""
	return nil
}

// ownIn returns the section that the scope is to remove, and its managed keys, which are nil if the section is gone. isTaken
// says that take has removed the section before.
func (s *Scope) ownIn(doc *inifile.Document, isTaken bool) (name string, pairs map[string]string, err error) {
	h := s.hold()
	name = h.state.section
	h.release()
	pairs, exists, err := doc.Managed(name)
	switch {
	case s.life.Err() != nil:
		return name, nil, keys.ErrClosed
	case err != nil:
		return name, nil, err
	case !exists || isLeft(doc, name, pairs) && (isTaken || s.book.isParked(name)):
		return name, nil, nil
	}
	h = s.hold()
	defer h.release()
	return name, pairs, h.checkOwn(pairs)
}

// checkOwn refuses a section that another program has changed since the scope wrote it. A kept section may belong to another
// account by now. That is no reason to refuse it: every program may remove kept sections.
func (h held) checkOwn(pairs map[string]string) error {
	switch {
	case h.owns(pairs):
		return nil
	case h.spec.Keep && pairs[inifile.ScopeKey] == "":
		return checkOurs(h.state.section, pairs)
	}
	return errChanged(h.state.section)
}
