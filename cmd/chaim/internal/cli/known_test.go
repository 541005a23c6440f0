package cli

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/chaim-go/chaim"
)

func TestOtherCaseIsTheOnlyOne(t *testing.T) {
	accounts := []chaim.Account{
		{ID: "1", Name: "sredev"}, {ID: "2", Name: "prod"}, {ID: "3", Name: "PROD"}, {ID: "4", Name: "twin"}, {ID: "5", Name: "twin"},
	}
	profiles := []string{"Sredev", "team-dev", "ops", "OPS", "123456789012"}
	for name, want := range map[string]string{
		"SREDEV": "sredev", "sreDev": "sredev", "sredev": "", "Prod": "", "TWIN": "",
		"Team-Dev": "team-dev", "team-dev": "", "Ops": "",
		"srdev": "", "": "", "123456789012": "",
	} {
		assert.Equal(t, want, otherCase(name, accounts, profiles), name)
	}
	assert.Empty(t, otherCase("sredev", []chaim.Account{{Name: "SREDEV"}, {Name: "Sredev"}}, nil))
}
