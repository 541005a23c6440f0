package profiles

import (
	"os"

	"github.com/chaim-go/chaim/internal/awsenv"
)

// OwnSource returns the environment variable with keys or a profile of the user's own, or "". Lent keys and profiles do not
// count.
func (f AWSFiles) OwnSource() string {
	for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"} {
		if id := os.Getenv(variable); id != "" && !awsenv.IsMarked(os.Environ(), id) {
			return variable
		}
	}
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		return "AWS_WEB_IDENTITY_TOKEN_FILE"
	}
	name := os.Getenv("AWS_PROFILE")
	if name == "" {
		return ""
	}
	if files, err := f.Profiles(); err == nil && files.Lent[name] {
		return ""
	}
	return "AWS_PROFILE"
}
