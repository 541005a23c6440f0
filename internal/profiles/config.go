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

// Config is the AWS config file, read when it is first asked. It is empty where the SDKs cannot read it either.
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

// rival tells what in the file SDKs would use in place of a profile's keys, if anything.
func (c Config) rival(profile string) string {
	path, doc := c.read()
	section, key := doc.Rival(profile)
	if key == "" {
		return ""
	}
	return fmt.Sprintf("[%s] in %s has %s, which SDKs use in place of keys", section, path, key)
}

// ChosenRegion returns the region that the user has chosen for a profile or for its account, if any: in the environment or in
// the AWS files. An account may have a profile of its name there, whatever the profile is called that is lent.
func (c Config) ChosenRegion(profile, account string) (string, error) {
	for _, variable := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := os.Getenv(variable); region != "" {
			return checked(variable, region)
		}
	}
	own := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), inifile.DefaultSection)
	for _, name := range []string{profile, account, own, inifile.DefaultSection} {
		region := c.Region(name)
		if name == own && own != inifile.DefaultSection { // of which the region is the gateway's
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

// credentialsRegion is the region that the credentials file of the SDKs gives to a profile, which they prefer.
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
