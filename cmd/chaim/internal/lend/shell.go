package lend

import (
	"sync"
	"time"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/proc"
	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/keys"
)

const (
	noticeAhead = 10 * time.Minute // how long before the end of keys the person is told
	lookAgain   = time.Minute      // a suspended machine stops timers, so the clock is read this often
	promptPoll  = 2 * time.Second  // no event tells that a shell is at its prompt again
)

// shellProfile is the name of the profile for a shell, as Options.TempName takes it.
func shellProfile(account, role string) string {
	const longest = 100
	name := cli.ProfileOf(account)
	if role != "" {
		name = cli.ProfileOf(account + "-" + awsprofile.RoleName(role))
	}
	return name[:min(len(name), longest)] + "-*"
}

// lentKeys are the keys in a shell.
type lentKeys struct {
	account, role string
	areFixed      bool // they are not renewed
}

// String names them.
func (k lentKeys) String() string {
	if k.role == "" {
		return keys.Printable(k.account)
	}
	return keys.Printable(k.account) + " as " + keys.Printable(awsprofile.RoleName(k.role))
}

// greeting tells a person whose keys a shell has, for how long, and how to leave it.
func (k lentKeys) greeting(expires, now time.Time) string {
	text := k.String()
	if !expires.IsZero() {
		text += " until " + clock(expires, now)
		if !k.areFixed {
			text += ", renewed before that"
		}
	}
	return text + "; exit or Ctrl-D gives the keys back"
}

// clock is a time of the day, with the date unless that is today.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) != now.Format(time.DateOnly) {
		return t.Format(time.DateOnly + " 15:04")
	}
	return t.Format("15:04")
}

// shellTalk tells the person at a shell about its keys. The zero value tells nothing.
type shellTalk struct {
	isOn   bool
	beside sync.WaitGroup // the work beside the program
}

// begin greets the person, and then watches the keys until end is called. end does not wait for the watch, so that the keys
// are removed at once. wait waits for it.
func (s *shellTalk) begin(a *cli.App, c *chaim.Client, lent lentKeys) (end func()) {
	if !s.isOn {
		return func() {}
	}
	lent.role = c.Role()
	a.Say("%s", lent.greeting(c.Creds().Expires, time.Now()))
	over := make(chan struct{})
	w := endWatch{
		lent: lent,
		expires: func() (time.Time, bool) {
			return c.Creds().Expires, lent.areFixed || c.State() != chaim.StateOK
		},
		isAtPrompt: func() bool { return a.Signals.IsAtPrompt(a.Err.Fd()) },
		tell:       func(line string) { proc.FromBackground(func() { a.Err.Interject("chaim: " + line) }) },
	}
	s.beside.Go(func() { w.run(over) })
	return func() { close(over) }
}

// wait waits for the work beside the program.
func (s *shellTalk) wait() { s.beside.Wait() }

// endWatch tells the person at a shell, once for each set of keys, that they end and are not renewed.
type endWatch struct {
	lent       lentKeys
	expires    func() (end time.Time, areLast bool)
	isAtPrompt func() bool
	tell       func(line string)
}

func (w endWatch) run(over <-chan struct{}) {
	var told time.Time
	for {
		end, areLast := w.expires()
		now := time.Now().Round(0) // the wall clock goes on while a machine is suspended
		left, wait := end.Sub(now), lookAgain
		switch isDue := areLast && !end.IsZero() && left > 0 && left <= noticeAhead && !end.Equal(told); {
		case isDue && w.isAtPrompt():
			w.tell(w.notice(end, now))
			told = end
		case isDue:
			wait = promptPoll
		case left > noticeAhead:
			wait = min(left-noticeAhead, lookAgain)
		}
		select {
		case <-time.After(wait):
		case <-over:
			return
		}
	}
}

func (w endWatch) notice(end, now time.Time) string {
	text := "the keys of " + w.lent.String() + " end at " + clock(end, now)
	if w.lent.areFixed {
		return text + " and are not renewed"
	}
	return text + " unless renewing them succeeds, which has failed so far"
}
