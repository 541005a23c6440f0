package chaim_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/chaimtest"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// account is what a model knows of a profile.
type account struct {
	opts     chaim.Options
	client   *chaim.Client // that may have it as its own
	isHeld   bool
	isParked bool
	isUsers  bool     // in place of one that is held
	lines    []string // of the user in the section
	role     string   // that the client was made for
	held     string   // role in the credentials file
	parked   string   // role in the definition
}

// model is what should be in the two files.
type model struct {
	opts     chaim.Options
	srv      *chaimtest.Server
	manager  *chaim.Client // that has no profile
	names    []string
	accounts map[string]*account
	above    string // the user's text above all sections
	edits    int
}

const usersSection = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"

func newModel(t *testing.T) *model {
	m := &model{srv: chaimtest.NewServer(t), accounts: map[string]*account{}, above: "# mine\n"}
	m.opts = optionsFor(t, m.srv)
	m.manager = clientFor(t, m.opts)
	// Not written by anybody else, so that an edit is made once.
	require.NoError(t, sharedfile.File{Path: credentialsFile(m.opts)}.Edit(t.Context(), func([]byte) ([]byte, error) { return []byte(m.above), nil }))
	for i, name := range []string{"sredev", "Connected Homes", "O'Brien", "sredev", "Connected Homes"} {
		opts := m.opts
		opts.Account, opts.Role, opts.Terrible = name, []string{"rro", "mpu"}[i%2], i%2 == 0
		opts.Duration = time.Duration(i+1) * time.Hour
		opts.TempName, opts.Keep, opts.NoRenew = fmt.Sprintf("p%d", i), true, true
		m.names = append(m.names, opts.TempName)
		m.accounts[opts.TempName] = &account{opts: opts, client: clientFor(t, opts), role: opts.Role}
	}
	return m
}

// step does one thing at random, and returns what it was and the error that should be and is.
func (m *model) step(t *testing.T, r *rand.Rand) (what string, want, err error) {
	name := m.names[r.IntN(len(m.names))]
	a := m.accounts[name]
	client := []*chaim.Client{m.manager, a.client}[r.IntN(2)]
	defer func() {
		if client == a.client { // which was closed if the profile was its own and is gone
			a.client = clientFor(t, a.opts)
		}
	}()
	isLeft := !a.isHeld && !a.isUsers && len(a.lines) > 0
	switch n := r.IntN(12); n {
	case 0, 1:
		_, err = a.client.RequestKeys(t.Context())
		if a.isUsers || isLeft {
			return "request " + name, chaim.ErrInUse, err
		}
		a.isHeld, a.held = true, a.role
		return "request " + name, nil, err
	case 2, 3:
		err = client.ParkAccount(t.Context(), name)
		switch {
		case a.isUsers, isLeft && !a.isParked:
			want = chaim.ErrUnmanagedAccount
		case !a.isHeld && !a.isParked:
			want = fs.ErrNotExist
		default:
			if a.isHeld {
				a.parked = a.held
			}
			a.isHeld, a.isParked = false, true
		}
		return "park " + name, want, err
	case 4, 5, 6:
		if n == 6 {
			m.srv.Inject(1, chaimtest.Refuse("Permission not granted"))
			defer m.srv.Clear()
		}
		_, err = client.UnparkAccount(t.Context(), name)
		switch {
		case !a.isParked:
			want = fs.ErrNotExist
		case a.isUsers:
			want = chaim.ErrInUse
		case n == 6:
			want = chaim.ErrDenied
		default:
			if !a.isHeld {
				a.held = a.parked
			}
			a.isHeld, a.isParked = true, false
		}
		return "unpark " + name, want, err
	case 7, 8:
		if n == 8 {
			m.srv.Inject(1, chaimtest.Refuse("Permission not granted"))
			defer m.srv.Clear()
		}
		_, err = m.manager.RenewSection(t.Context(), name)
		switch {
		case a.isUsers, isLeft:
			want = chaim.ErrUnmanagedAccount
		case !a.isHeld:
			want = fs.ErrNotExist
		case n == 8:
			want = chaim.ErrDenied
		}
		return "renew " + name, want, err
	case 9:
		err = client.DeleteAccount(t.Context(), name)
		switch {
		case a.isUsers, isLeft && !a.isParked:
			want = chaim.ErrUnmanagedAccount
		default:
			a.isHeld, a.isParked = false, false
		}
		return "delete " + name, want, err
	}
	return "edit " + name, nil, m.edit(t, name, a, r)
}

// edit is one of the user's.
func (m *model) edit(t *testing.T, name string, a *account, r *rand.Rand) error {
	m.edits++
	line := fmt.Sprintf("x%d = %d\n", m.edits, m.edits)
	return sharedfile.File{Path: credentialsFile(m.opts)}.Edit(t.Context(), func(doc []byte) ([]byte, error) {
		text := string(doc)
		header := "[" + name + "]\n"
		switch {
		case a.isHeld && r.IntN(3) == 0:
			before, section, _ := strings.Cut(text, header)
			was := a.held
			a.held = map[string]string{"rro": "mpu", "mpu": "rro"}[was]
			text = before + header + strings.Replace(section, "role = "+was, "role = "+a.held, 1)
		case r.IntN(4) == 0:
			m.above = fmt.Sprintf("# mine %d\n", m.edits)
			text = m.above + text[strings.IndexByte(text, '\n')+1:]
		case a.isUsers || a.isHeld && len(a.lines) < 3:
			if a.isUsers && r.IntN(2) == 0 {
				a.isUsers, a.lines = false, nil
				before, after, _ := strings.Cut(text, header)
				_, rest, found := strings.Cut(after, "\n[")
				if found {
					rest = "[" + rest
				}
				text = before + rest
				break
			}
			a.lines = append([]string{line}, a.lines...)
			text = strings.Replace(text, header, header+line, 1)
		case !a.isHeld && len(a.lines) > 0:
			text = strings.Replace(text, header+strings.Join(a.lines, ""), "", 1)
			a.lines = nil
		case !a.isHeld:
			a.isUsers, a.lines = true, []string{usersSection}
			text += header + usersSection
		}
		return []byte(text), nil
	})
}

// sectionsOf are the lines of each section that are not blank.
func sectionsOf(text string) map[string][]string {
	sections := map[string][]string{}
	name := ""
	for line := range strings.Lines(text) {
		if inner, isHeader := strings.CutPrefix(line, "["); isHeader {
			name = strings.TrimSuffix(inner, "]\n")
			sections[name] = []string{}
		} else if line != "\n" {
			sections[name] = append(sections[name], line)
		}
	}
	return sections
}

func (m *model) check(t *testing.T, what string) {
	files := bothFiles(t, m.opts)
	require.True(t, strings.HasPrefix(files[0], m.above), what)
	require.NotContains(t, files[1], "CANARY", what)
	require.NotContains(t, files[1], "ASIA", what)
	held, parked := sectionsOf(files[0]), sectionsOf(files[1])
	delete(held, "")
	var wantHeld, wantParked []string
	for _, name := range m.names {
		a := m.accounts[name]
		chaims := func(line string) bool { return !strings.HasPrefix(line, "x") && line != usersSection }
		lines, isThere := held[name]
		require.Equal(t, a.isHeld || a.isUsers || len(a.lines) > 0, isThere, "%s: %s", what, name)
		require.Equal(t, strings.Join(a.lines, ""), strings.Join(slices.DeleteFunc(slices.Clone(lines), chaims), ""), "%s: %s", what, name)
		require.Equal(t, a.isHeld, slices.ContainsFunc(lines, chaims), "%s: %s", what, name)
		definition, isThere := parked[name]
		require.Equal(t, a.isParked, isThere, "%s: %s", what, name)
		require.Equal(t, a.isHeld, slices.Contains(lines, "role = "+a.held+"\n"), "%s: %s", what, name)
		require.Equal(t, a.isParked, slices.Contains(definition, "role = "+a.parked+"\n"), "%s: %s", what, name)
		for _, line := range definition {
			isOther := strings.HasPrefix(line, "aws_security_token") || strings.HasPrefix(line, "role")
			require.True(t, !a.isHeld || isOther || slices.Contains(lines, line), "%s: %s", what, line)
		}
		if a.isHeld {
			wantHeld = append(wantHeld, name)
		} else if a.isParked {
			wantParked = append(wantParked, name)
		}
	}
	require.Subset(t, m.names, slices.Collect(maps.Keys(held)), what)
	require.ElementsMatch(t, wantHeld, heldAccounts(t, m.manager), what)
	require.Equal(t, wantParked, parkedAccounts(t, m.manager), what)
}

func TestParkingAtRandom(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t)
				r := rand.New(rand.NewPCG(seed, 0))
				done := map[string]int{}
				for i := range 500 {
					what, want, err := m.step(t, r)
					what = fmt.Sprintf("step %d, %s", i, what)
					if want == nil {
						require.NoError(t, err, what)
					} else {
						require.ErrorIs(t, err, want, what)
					}
					m.check(t, what)
					done[fmt.Sprintf("%s %t", strings.Fields(what)[2], want == nil)]++
				}
				assert.Len(t, done, 11, "every outcome: %v", done)
			})
		})
	}
}

// TestParkingAtOnce has two clients park and bring back the same accounts, one of which is the own profile of one.
func TestParkingAtOnce(t *testing.T) {
	srv := chaimtest.NewServer(t)
	opts := optionsFor(t, srv)
	names := []string{"own", "a", "b"}
	for _, name := range names[1:] {
		keep(t, homes(opts), name)
	}
	own := opts
	own.TempName, own.Keep = "own", true
	clients := []*chaim.Client{clientFor(t, own), clientFor(t, opts)}
	_, err := clients[0].RequestKeys(t.Context())
	require.NoError(t, err)

	// look is called under the lock that all edits are made under.
	looks := 0
	look := func(doc []byte) ([]byte, error) {
		parked, err := os.ReadFile(parkedFile(opts))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			if !strings.Contains(string(doc)+string(parked), "["+name+"]\n") {
				return nil, errors.New(name + " is in neither file")
			}
		}
		looks++
		return doc, nil
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			for range 10 {
				c, name := clients[r.IntN(2)], names[r.IntN(len(names))]
				var err error
				if r.IntN(2) == 0 {
					err = c.ParkAccount(t.Context(), name)
				} else if _, err = c.UnparkAccount(t.Context(), name); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				if c != clients[0] || !errors.Is(err, chaim.ErrClosed) { // once its own is parked
					assert.NoError(t, err)
				}
				assert.NoError(t, sharedfile.File{Path: credentialsFile(opts)}.Edit(t.Context(), look))
			}
		})
	}
	wg.Wait()
	assert.GreaterOrEqual(t, looks, 200)
	assert.NotContains(t, read(t, parkedFile(opts)), "CANARY")
	assert.ElementsMatch(t, names, append(heldAccounts(t, clients[1]), parkedAccounts(t, clients[1])...))
	for _, name := range names {
		require.NoError(t, clients[1].ParkAccount(t.Context(), name))
	}
	assert.Equal(t, []string{"a", "b", "own"}, parkedAccounts(t, clients[1]))
	assert.Empty(t, read(t, credentialsFile(opts)))
}
