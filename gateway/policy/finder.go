package policy

// finder finds the accounts that a selector selects, as numbers in the list of accounts. It looks at each pattern and each
// OU once, however many grants name it.
type finder struct {
	accounts accounts
	names    [][]string       // the folded name of each account, in segments
	tags     map[string][]int // accounts by "key=value"
	ous      []ou
	patterns map[string]set // the answers for patterns of names that have a "*"
	within   map[string]set // the answers for patterns of OUs
}

// ou is an organizational unit with the accounts directly in it.
type ou struct {
	path     []string // folded
	accounts []int
}

func newFinder(a accounts) *finder {
	f := &finder{accounts: a, tags: map[string][]int{}, patterns: map[string]set{}, within: map[string]set{}}
	ous := map[string]int{}
	for i, account := range a.list {
		f.names = append(f.names, parsePattern(account.Name))
		for key, value := range account.Tags {
			f.tags[key+"="+value] = append(f.tags[key+"="+value], i)
		}
		if account.OU == "" {
			continue
		}
		at, isKnown := ous[fold(account.OU)]
		if !isKnown {
			at = len(f.ous)
			ous[fold(account.OU)] = at
			f.ous = append(f.ous, ou{path: parsePattern(account.OU)})
		}
		f.ous[at].accounts = append(f.ous[at].accounts, i)
	}
	return f
}

func (f *finder) none() set { return newSet(len(f.accounts.list)) }

// selected returns the accounts of a selector.
func (f *finder) selected(s Selector) set {
	selected := f.none().fill(len(f.accounts.list))
	if len(s.IDs) > 0 {
		selected.keep(f.ids(s.IDs))
	}
	if len(s.Names) > 0 {
		selected.keep(f.named(s.Names))
	}
	for key, values := range s.Tags {
		selected.keep(f.tagged(key, values))
	}
	if len(s.OU) > 0 {
		selected.keep(f.in(s.OU))
	}
	if len(s.Except.IDs) > 0 {
		selected.remove(f.ids(s.Except.IDs))
	}
	for key, values := range s.Except.Tags {
		selected.remove(f.tagged(key, values))
	}
	if len(s.Except.OU) > 0 {
		selected.remove(f.in(s.Except.OU))
	}
	return selected
}

func (f *finder) ids(ids []string) set {
	found := f.none()
	for _, id := range ids {
		if i, isKnown := f.accounts.byID[id]; isKnown {
			found.add(i)
		}
	}
	return found
}

func (f *finder) tagged(key string, values []string) set {
	found := f.none()
	for _, value := range values {
		for _, i := range f.tags[key+"="+value] {
			found.add(i)
		}
	}
	return found
}

func (f *finder) named(patterns []string) set {
	found := f.none()
	for _, text := range patterns {
		if p := parsePattern(text); p.isExact() {
			for _, i := range f.accounts.byName[fold(text)] {
				found.add(i)
			}
			continue
		}
		found.addAll(remember(f.patterns, text, f.withName))
	}
	return found
}

func (f *finder) in(patterns []string) set {
	found := f.none()
	for _, text := range patterns {
		found.addAll(remember(f.within, text, f.inOU))
	}
	return found
}

func remember(answers map[string]set, text string, find func(pattern) set) set {
	if answers[fold(text)] == nil {
		answers[fold(text)] = find(parsePattern(text))
	}
	return answers[fold(text)]
}

func (f *finder) withName(p pattern) set {
	found := f.none()
	for i, name := range f.names {
		if p.matches(name) {
			found.add(i)
		}
	}
	return found
}

func (f *finder) inOU(p pattern) set {
	found := f.none()
	for _, ou := range f.ous {
		if p.matches(ou.path) {
			for _, i := range ou.accounts {
				found.add(i)
			}
		}
	}
	return found
}
