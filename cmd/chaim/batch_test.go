package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

func TestBatchFilesGetNoCommandsAsArguments(t *testing.T) {
	for _, path := range []string{`C:\bin\aws.cmd`, `C:\bin\AWS.BAT`, `aws.bat.`, `aws.cmd `} {
		assert.Nil(t, batchFailure(path, []string{"aws", "s3", "ls", "--region=eu-west-1", `C:\a b\c`, "", "it's (1), {x}"}), path)
		for _, c := range batchSpecial {
			for _, text := range []string{string(c), "a" + string(c) + "CANARY", "a b " + string(c) + "calc"} {
				failure := batchFailure(path, []string{"aws", "s3", text})
				require.NotNil(t, failure, "%q", text)
				assert.Equal(t, exitCannotRun, failure.code)
				assert.Contains(t, failure.text, `cannot run "aws": it is a batch file`)
				assert.Contains(t, failure.text, "argument 2")
				assert.NotContains(t, failure.text, "CANARY", "an argument may be a secret")
			}
		}
		assert.Contains(t, batchFailure(path, []string{`C:\R&D\aws`}).text, "of its name")
	}
	for _, path := range []string{`C:\bin\aws.exe`, `C:\bin\aws.bat.exe`, `C:\bin.cmd\aws`, "bat"} {
		assert.Nil(t, batchFailure(path, []string{"aws", "100% & \"more\""}), path)
	}
}

// TestBatchFilesGetNoCommandsAsAccounts has names that others choose.
func TestBatchFilesGetNoCommandsAsAccounts(t *testing.T) {
	accounts := []chaim.Account{{ID: "111111111111", Name: "sredev"}, {ID: "222222222222", Name: "-x"}, {ID: "333333333333", Name: "R&calc"}}
	check := func(words []string) *programError { return batchFailure(`C:\report.cmd`, words) }
	failure := refuseForAny([]string{"report", "{account}"}, accounts, check)
	require.NotNil(t, failure)
	assert.Contains(t, failure.text, `account "R&calc": cannot run "report"`)
	assert.Nil(t, refuseForAny([]string{"report", "{id}"}, accounts, check))
	assert.Nil(t, refuseForAny([]string{"report", "{account}"}, accounts[:2], check))
}
