package partition

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCheckRegion(t *testing.T) {
	for name, want := range map[string]string{
		"us-east-1a":              `region "us-east-1a" is the name of a zone; did you mean us-east-1?`,
		"us-gov-west-1b":          "did you mean us-gov-west-1?",
		"eu-west-9c":              "did you mean eu-west-9?",
		"us-west-2-lax-1a":        "did you mean us-west-2?",
		"us-east-1-wl1-bos-wlz-1": "did you mean us-east-1?",
		"eu-wst-1":                `region "eu-wst-1" is not one of AWS; did you mean eu-west-1?`,
		"us-esat-1":               "did you mean us-east-1?",
		"ue-west-1":               "did you mean eu-west-1?",
		"us-east1":                "did you mean us-east-1?",
		"useast-1":                "did you mean us-east-1?",
		"us-east-11":              "did you mean us-east-1?",
		"us-east-0":               "did you mean us-east-1?",
		"us_east_1":               "did you mean us-east-1?",
		"US-EAST-1":               "did you mean us-east-1?",
		"us-east-1 ":              "did you mean us-east-1?",
		"us-gv-west-l":            "did you mean us-gov-west-1?",
		"us-ios-east-1":           "did you mean us-iso-east-1?",
		"ap-southest-1":           "did you mean ap-southeast-1?",
		"a/b?c=evil\n":            "is not an AWS region name, such as eu-west-1",
		"Ireland":                 "is not an AWS region name",
		"eu":                      "is not an AWS region name",
		"us-westeast-1":           "is not an AWS region name",
		"us-east-west-1":          "is not an AWS region name",
		"moon-eastnorth-1":        "is not an AWS region name",
		"moon-centralwest-1":      "is not an AWS region name",
		"":                        "is not an AWS region name",
	} {
		assert.ErrorContains(t, CheckRegion(name), want, name)
	}
	for _, name := range []string{
		"aws-global", "aws-us-gov-global", "fips-us-gov-west-1", "us-gov-west-1-fips",
		"us-east-3", "eu-west-9", "ap-southeast-8", "sa-west-1", "nz-north-1", "me-central-2", // not known, but possible
		"us-isog-east-1", "us-isox-central-1", "eusc-fr-west-1", "us-gov-central-1", "uksc-gb-south-1", "moon-base-1", "moon-northwest-1",
	} {
		assert.NoError(t, CheckRegion(name), name)
	}
	for _, name := range Regions() {
		assert.NoError(t, CheckRegion(name))
	}
	assert.True(t, slices.IsSorted(regions), "as completion shows them")
}

// TestRegionsHaveTheirPartition compares the lists of regions and partitions.
func TestRegionsHaveTheirPartition(t *testing.T) {
	for _, p := range partitions {
		assert.Contains(t, regions, p.region)
		assert.True(t, slices.ContainsFunc(regions, func(name string) bool { return Of(name) == p.name }), p.name)
	}
}
