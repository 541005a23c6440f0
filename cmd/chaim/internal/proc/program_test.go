package proc

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBatchFilesGetNoCommandsAsArguments(t *testing.T) {
	for _, path := range []string{`C:\bin\aws.cmd`, `C:\bin\AWS.BAT`, `aws.bat.`, `aws.cmd `} {
		assert.NoError(t, checkBatch(path, []string{"aws", "s3", "ls", "--region=eu-west-1", `C:\a b\c`, "", "it's (1), {x}"}), path)
		for _, c := range batchSpecial {
			for _, text := range []string{string(c), "a" + string(c) + "CANARY", "a b " + string(c) + "calc"} {
				err := checkBatch(path, []string{"aws", "s3", text})
				failure := (*Error)(nil)
				require.ErrorAs(t, err, &failure, "%q", text)
				assert.Equal(t, CannotRun, failure.Code)
				assert.Contains(t, failure.Text, `cannot run "aws": it is a batch file`)
				assert.Contains(t, failure.Text, "argument 2")
				assert.NotContains(t, failure.Text, "CANARY", "an argument may be a secret")
			}
		}
		assert.ErrorContains(t, checkBatch(path, []string{`C:\R&D\aws`}), "of its name")
	}
	for _, path := range []string{`C:\bin\aws.exe`, `C:\bin\aws.bat.exe`, `C:\bin.cmd\aws`, "bat"} {
		assert.NoError(t, checkBatch(path, []string{"aws", "100% & \"more\""}), path)
	}
}
