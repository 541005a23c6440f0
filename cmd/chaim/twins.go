package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/keys"
)

// askByID is what to do about accounts of one name.
const askByID = "ask for these by id: by such a name the gateway gives keys for one of them, which may be another than you mean"

// twins returns the known accounts that have the name of another one and of one that is shown, sorted by it. Gateways may
// compare names without regard to case, and so names that differ in case only count as one.
func twins(known, shown []chaim.Account) []chaim.Account {
	ids := map[string][]string{} // by name
	for _, account := range shown {
		if account.Name != "" {
			ids[strings.ToLower(account.Name)] = nil
		}
	}
	for _, account := range known {
		name := strings.ToLower(account.Name)
		if had, isShown := ids[name]; isShown && !slices.Contains(had, account.ID) {
			ids[name] = append(had, account.ID)
		}
	}
	same := slices.DeleteFunc(slices.Clone(known), func(account chaim.Account) bool {
		return len(ids[strings.ToLower(account.Name)]) < 2
	})
	slices.SortFunc(same, byName)
	return slices.Compact(same)
}

// tellTwins names accounts whose names are those of several, 10 at most.
func tellTwins(accounts []chaim.Account) string {
	const most = 10
	var texts []string
	for _, account := range accounts[:min(len(accounts), most)] {
		texts = append(texts, fmt.Sprintf("%q (%s)", account.Name, keys.Printable(account.ID)))
	}
	if more := len(accounts) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	return "several accounts have one name, whatever its case: " + strings.Join(texts, ", ")
}

func byName(x, y chaim.Account) int {
	return cmp.Or(cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), cmp.Compare(x.ID, y.ID))
}
