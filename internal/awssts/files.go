package awssts

import "context"

// Files is what is known from files of this machine, which this package does not read itself.
type Files interface {
	// Input returns the text of a file that the user names, such as certificates. It ends with ctx, also for a pipe.
	Input(ctx context.Context, path string) ([]byte, error)
	// IsOnlyOnce reports whether a file can be read only once, as a pipe, or not before another program writes.
	IsOnlyOnce(path string) bool
	// Names returns the names in the AWS files that look like secrets and are none.
	Names() []string
	// IsLent reports whether chaim has put this access key id, or this credential_process, into the profile of that name.
	IsLent(profile, keyID, process string) bool
}
