package profiles

import (
	"cmp"
	"fmt"
	"os"
	"sync"

	"github.com/chaim-go/chaim/internal/awsenv"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// Config is the AWS config file. It is read at the first use, and is empty if it cannot be read.
type Config struct {
	read func() (path string, doc *inifile.Document)
}

// ReadConfig returns the AWS config file that the environment names.
func ReadConfig() Config {
	return Config{sync.OnceValues(func() (string, *inifile.Document) {
		path, err := awsenv.ConfigPath()
		if err != nil {
			return "", inifile.Parse(nil)
		}
		doc, err := Open(path, nil, nil).Read()
		if err != nil {
			return "", inifile.Parse(nil)
		}
		return path, doc
	})}
}

// Region is the region of a profile, or "".
func (c Config) Region(profile string) string {
	if profile == "" {
		return ""
	}
	_, doc := c.read()
	return doc.ConfigRegion(profile)
}

// GivesKeys reports whether a profile of the file leads to keys.
func (c Config) GivesKeys(profile string) bool {
	_, doc := c.read()
	return doc.GivesKeys(profile)
}

// rival tells what SDKs would use from the file in place of a profile's keys. It is empty if there is nothing.
func (c Config) rival(profile string) string {
	path, doc := c.read()
	section, key := doc.Rival(profile)
	if key == "" {
		return ""
	}
	return fmt.Sprintf("[%s] in %s has %s, which SDKs use in place of keys", section, path, key)
}

// ChosenRegion returns the region that the user has chosen for a profile or for its account, in the environment or in the
// AWS files. It is empty if there is none. The files may have a profile of the account's name, whatever the lent profile
// is called.
func (c Config) ChosenRegion(profile, account string) (string, error) {
	for _, variable := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := os.Getenv(variable); region != "" {
			return checked(variable, region)
		}
	}
	own := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), inifile.DefaultSection)
	for _, name := range []string{profile, account, own, inifile.DefaultSection} {
		region := c.Region(name)
		if name == own && own != inifile.DefaultSection { // in the credentials file, region in [default] is the gateway's
			region = cmp.Or(credentialsRegion(name), region)
		}
		if region != "" {
			return checked("the AWS files, profile "+keys.QuoteShort(name), region)
		}
	}
	return "", nil
}

func checked(where, region string) (string, error) {
	if err := partition.CheckRegionOf(where, region); err != nil {
		return "", err
	}
	return region, nil
}

// credentialsRegion is the region of a profile in the credentials file. SDKs prefer it to that of the config file.
func credentialsRegion(profile string) string {
	book, err := OpenIn("", nil)
	if err != nil {
		return ""
	}
	doc, err := book.Read()
	if err != nil {
		return ""
	}
	pairs, _, _ := doc.All(profile)
	return pairs["region"]
}
