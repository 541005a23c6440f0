package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/keys"
)

// AskByID is what to do about accounts of one name.
const AskByID = "ask for these by id: by such a name the gateway gives keys for one of them, which may be another than you mean"

// Twins returns the accounts in known that share their name with another one, if a shown account has that name too. They are
// sorted by name. Names that differ only in case are the same: gateways may ignore case.
func Twins(known, shown []chaim.Account) []chaim.Account {
	ids := map[string][]string{} // by name
	for _, account := range shown {
		if account.Name != "" {
			ids[strings.ToLower(account.Name)] = nil
		}
	}
	for _, account := range known {
		name := strings.ToLower(account.Name)
		if seen, isShown := ids[name]; isShown && !slices.Contains(seen, account.ID) {
			ids[name] = append(seen, account.ID)
		}
	}
	same := slices.DeleteFunc(slices.Clone(known), func(account chaim.Account) bool {
		return len(ids[strings.ToLower(account.Name)]) < 2
	})
	slices.SortFunc(same, ByName)
	return slices.Compact(same)
}

// TellTwins lists accounts that share their names, 10 at most.
func TellTwins(accounts []chaim.Account) string {
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

// ByName sorts accounts by name and id.
func ByName(x, y chaim.Account) int {
	return cmp.Or(cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), cmp.Compare(x.ID, y.ID))
}
