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

// Delete removes the profile, also where it is kept, and its copy in [default], and ends the scope. It returns the account that
// the profile was held for. After an error the scope goes on, with its profile.
func (s *Scope) Delete(ctx context.Context) (Holder, error) {
	var account Holder
	err := s.take(ctx, func(h held, pairs map[string]string) error {
		if pairs != nil {
			account = HolderOf(pairs)
		} else if account.Name == "" {
			account = newHolder(h.state.grant.Account, h.state.grant.AccountID)
		}
		return nil
	})
	return account, err
}

// Park is Delete, and keeps the definition of the profile in chaim-parked.
func (s *Scope) Park(ctx context.Context) error {
	return s.take(ctx, func(h held, pairs map[string]string) error { return h.book.park(ctx, h.state.section, pairs) })
}

// take removes the profile and ends the scope. In the same edit, but before, it calls also with the managed keys of the section,
// or with nil where there is none.
func (s *Scope) take(ctx context.Context, also func(held, map[string]string) error) error {
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
				h := s.hold()
				defer h.release()
				pairs, exists, err := doc.Managed(h.state.section)
				switch {
				case s.life.Err() != nil:
					return keys.ErrClosed
				case err != nil:
					return err
				case !exists || isLeft(doc, h.state.section, pairs) && (isTaken || s.book.isParked(h.state.section)):
					return h.takeAbsent(doc, also)
				}
				if err := h.checkOwn(pairs); err != nil {
					return err
				}
				if err := also(h, pairs); err != nil {
					return err
				}
				isTaken = true
				h.giveBack(isFull)
				return deleteSection(doc, h.state.section, pairs)
			})
		})
	})
	h := s.hold()
	defer h.release()
	if err != nil {
		h.takeBack()
		return err
	}
	s.end(keys.ErrClosed)
	h.state.section = ""
	return nil
}

// takeAbsent is take where the section is not there any more.
func (h held) takeAbsent(doc *inifile.Document, also func(held, map[string]string) error) error {
	if err := also(h, nil); err != nil || !h.spec.Keep {
		return err
	}
	return followDefault(doc, h.state.section, nil, nil)
}

// checkOwn refuses a section of those managed keys that another program has changed since it was written. One that is kept may
// be another account's by now, and anybody may remove that.
func (h held) checkOwn(pairs map[string]string) error {
	switch {
	case h.owns(pairs):
		return nil
	case h.spec.Keep && pairs[inifile.ScopeKey] == "":
		return checkOurs(h.state.section, pairs)
	}
	return errChanged(h.state.section)
}
