package chaim

import (
	"cmp"
	"fmt"
	"os"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/inifile"
	"github.com/chaim-go/chaim/internal/partition"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

// Region returns the AWS region of the client's profile and keys: [Options].Region, or what is taken where that is empty.
// It never changes, and is empty for a zero Client.
func (c *Client) Region() string {
	if c == nil || c.opts == nil {
		return ""
	}
	return c.opts.Region
}

// checkRegion refuses what is not a region. where names its source in the error, and is empty for one that was given.
func checkRegion(region, where string) error {
	err := partition.CheckRegion(region)
	if err != nil && where != "" {
		return errtext.Wrap(err, "%s", where)
	}
	return err
}

// chooseRegion completes the region by what the user says of it outside of chaim, if anything: the environment, and the
// AWS config file, of which the profile that is lent comes first.
func (c *Client) chooseRegion() error {
	profile, regions := c.Profile(), configRegions()
	if c.opts.Region != "" {
		c.leavesRegion = c.opts.Keep && regions(profile) == c.opts.Region
		return nil
	}
	region, err := chosenRegion(profile, c.opts.Account, regions)
	if err != nil {
		return c.refuseRegion(err)
	}
	c.opts.Region = region
	c.leavesRegion = c.opts.Keep && regions(profile) != ""
	return nil
}

// takeRegion completes the region by that of a gateway's settings. where names their source.
func (c *Client) takeRegion(s *Settings, where string) error {
	if c.opts.Region != "" || s.Region == "" {
		return nil
	}
	if err := checkRegion(s.Region, where); err != nil {
		return c.refuseRegion(err)
	}
	c.opts.Region = s.Region
	return nil
}

// refuseRegion returns err, unless the client only lists and removes, which no region is needed for.
func (c *Client) refuseRegion(err error) error {
	if c.opts.Account != "" {
		return err
	}
	c.noRegion = cmp.Or(c.noRegion, err)
	return nil
}

// chosenRegion returns the region that the user has chosen for a profile or for its account, if any. The AWS config file has
// these regions: an account may have a profile of its name there, whatever the profile is called that is lent.
func chosenRegion(profile, account string, regions func(profile string) string) (string, error) {
	for _, variable := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region := os.Getenv(variable); region != "" {
			return region, checkRegion(region, variable)
		}
	}
	own := cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), inifile.DefaultSection)
	for _, name := range []string{profile, account, own, inifile.DefaultSection} {
		region := regions(name)
		if name == own && own != inifile.DefaultSection { // of which the region is the gateway's
			region = cmp.Or(credentialsRegion(name), region)
		}
		if region != "" {
			return region, checkRegion(region, "the AWS files, profile "+quoteShort(name))
		}
	}
	return "", nil
}

// credentialsRegion is the region that the credentials file of the SDKs gives to a profile, which they prefer.
func credentialsRegion(profile string) string {
	path, err := sharedfile.CredentialsPath("")
	if err != nil {
		return ""
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return ""
	}
	pairs, _, _ := inifile.ReadAll(doc, profile)
	return pairs["region"]
}

// configRegions returns a function that tells the region of a profile in the AWS config file. The file is read when it is
// first called, and only once.
func configRegions() func(profile string) string {
	config := sync.OnceValue(readConfig)
	return func(profile string) string {
		if profile == "" {
			return ""
		}
		return inifile.ConfigRegion(config().doc, profile)
	}
}

// configFile is the AWS config file. It is empty where the SDKs cannot read it either.
type configFile struct {
	path string
	doc  []byte
}

func readConfig() configFile {
	path, err := sharedfile.ConfigPath()
	if err != nil {
		return configFile{}
	}
	doc, err := sharedfile.File{Path: path}.Read()
	if err != nil {
		return configFile{}
	}
	return configFile{path, doc}
}

// rival tells what in the file SDKs would use in place of a profile's keys, if anything.
func (f configFile) rival(profile string) string {
	section, key := inifile.Rival(f.doc, profile)
	if key == "" {
		return ""
	}
	return fmt.Sprintf("[%s] in %s has %s, which SDKs use in place of keys", section, f.path, key)
}

// sourceRegion is the region that a Source is for, if it has one.
func sourceRegion(source aws.CredentialsProvider) string {
	switch source := source.(type) {
	case *STS:
		role, _ := arn.Parse(source.RoleARN)
		return cmp.Or(source.Region, partition.Region(role.Partition))
	case *Client:
		return source.Region()
	case AwsCreds:
		return source.Region
	}
	return ""
}

// profileOptions are those that the profile tells: without a region where the AWS config file has one for its name. SDKs
// prefer the region of the credentials file, so a line there would hide that of the config file for good.
func (c *Client) profileOptions() *Options {
	if !c.leavesRegion {
		return c.opts
	}
	opts := *c.opts
	opts.Region = ""
	return &opts
}
