package partition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chaim-go/chaim/internal/errtext"
	"github.com/chaim-go/chaim/internal/lazyregexp"
	"github.com/chaim-go/chaim/internal/spelling"
)

// regions are the known regions, sorted. CheckRegion accepts a region that is missing here if its name looks like theirs.
//
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html and the AWS SDKs' partitions.json
var regions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-isoe-west-1", "eu-north-1",
	"eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1", "me-central-1",
	"me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1",
	"us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "us-isof-east-1", "us-isof-south-1", "us-west-1", "us-west-2",
}

// Regions returns the names of the known regions, sorted.
func Regions() []string { return slices.Clone(regions) }

var (
	regionRule = lazyregexp.New(`^[a-z]{2,}(-[a-z0-9]+){1,4}$`)
	zoneRule   = lazyregexp.New(`^([a-z-]+-[0-9])[a-z]$`)
	// A region's name has an area, perhaps a partition or a country, a direction and a digit.
	usualRule = lazyregexp.New(`^([a-z]{2}|eusc)(-gov|-iso[a-z]?|-[a-z]{2})?-(central|(north|south)?(east|west)|north|south)-[1-9]$`)
	// A region's name has one direction, or two joined ones as in southeast.
	directionsRule = lazyregexp.New(`((north|south|east|west|central)-?){2,}`)
	jointRule      = lazyregexp.New(`^(north|south)(east|west)-?$`)
)

// CheckRegionOf is CheckRegion for a region that the user did not type. where names its source in the error.
func CheckRegionOf(where, name string) error {
	if err := CheckRegion(name); err != nil {
		return errtext.Wrap(err, "%s", where)
	}
	return nil
}

// CheckRegion refuses a name that cannot be a region, a misspelt region and the name of a zone. The error suggests a similar
// region if there is one. Regions and partitions that AWS may open later pass.
func CheckRegion(name string) error {
	plain := strings.TrimSuffix(strings.TrimPrefix(name, "fips-"), "-fips") // SDKs accept both
	if global, isGlobal := strings.CutSuffix(plain, "-global"); isGlobal && Region(global) != "" || slices.Contains(regions, plain) {
		return nil
	}
	if len(name) > 64 {
		name = name[:64] + "..."
	}
	if region := regionOfZone(plain); region != "" {
		return fmt.Errorf("chaim: region %q is the name of a zone; did you mean %s?", name, region)
	}
	isRegion, isUsual := regionRule().MatchString(plain), usualRule().MatchString(plain)
	if directions := directionsRule().FindString(plain); directions != "" && !jointRule().MatchString(directions) {
		isRegion = false
	}
	if isUsual && !hasSwappedArea(plain) {
		return nil
	}
	if similar := similarRegion(strings.ToLower(plain)); similar != "" {
		return fmt.Errorf("chaim: region %+q is not one of AWS; did you mean %s?", name, similar)
	}
	if !isRegion {
		return fmt.Errorf("chaim: region %+q is not an AWS region name, such as %s", name, DefaultRegion)
	}
	return nil
}

// regionOfZone returns the region of a zone, or "" if name is no zone: an availability zone such as us-east-1a, or a local
// zone such as us-west-2-lax-1a.
func regionOfZone(name string) string {
	if zone := zoneRule().FindStringSubmatch(name); zone != nil && CheckRegion(zone[1]) == nil {
		return zone[1]
	}
	for _, region := range regions {
		if strings.HasPrefix(name, region+"-") {
			return region
		}
	}
	return ""
}

// similarRegion returns the known region that is most similar to a name, with two mistakes at most.
func similarRegion(name string) (similar string) {
	least := 3
	for _, region := range regions {
		if n := spelling.Mistakes(name, region); n < least {
			least, similar = n, region
		}
	}
	return similar
}

// hasSwappedArea reports whether name becomes a known region when its first two letters change places.
func hasSwappedArea(name string) bool {
	swapped := string([]byte{name[1], name[0]}) + name[2:]
	return slices.Contains(regions, swapped)
}
