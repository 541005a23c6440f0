package awssts

import (
	"context"

	"github.com/chaim-go/chaim/internal/awsprofile"
)

// Files gives access to files of this machine, because this package reads none itself.
type Files interface {
	// Input returns the text of a file that the user names, such as certificates. It stops when ctx ends, even at a pipe.
	Input(ctx context.Context, path string) ([]byte, error)
	// IsOnlyOnce reports whether a file is a pipe or a device: it can be read only once, or only while another program
	// writes.
	IsOnlyOnce(path string) bool
	// Names returns names in the AWS files that may look like secrets but are none.
	Names() []string
	// Profiles reads what the AWS files say about profiles.
	Profiles() (awsprofile.Files, error)
	// IsLent reports whether chaim has put this access key id, or this credential_process, into the profile of that name.
	IsLent(profile, keyID, process string) bool
	// RenewLogin calls renew if the keys in the file of a sign-in by 'aws login' end soon. renew gets the path of a copy of the
	// file in which the keys have ended. The file then gets the keys that renew puts into the copy.
	RenewLogin(ctx context.Context, path string, renew func(path string) error) error
}
