package partition

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1":          "aws",
		"":                   "aws",
		"us-east-1":          "aws",
		"cn-northwest-1":     "aws-cn",
		"us-gov-east-1":      "aws-us-gov",
		"fips-us-gov-west-1": "aws-us-gov",
		"us-iso-west-1":      "aws-iso",
		"us-isob-east-1":     "aws-iso-b",
		"eu-isoe-west-1":     "aws-iso-e",
		"us-isof-south-1":    "aws-iso-f",
		"eusc-de-east-1":     "aws-eusc",
		"aws-global":         "aws",
		"aws-cn-global":      "aws-cn",
		"aws-iso-b-global":   "aws-iso-b",
	} {
		assert.Equal(t, want, Of(region), region)
	}
	for _, p := range partitions {
		assert.Equal(t, p.name, Of(Region(p.name)))
	}
	assert.Empty(t, Region("minio"))
}

func TestCheck(t *testing.T) {
	role, err := arn.Parse(RoleARN("cn-north-1", "111111111111", "mpu"))
	require.NoError(t, err)
	assert.Equal(t, "arn:aws-cn:iam::111111111111:role/CrossAccountPowerUser", role.String())
	assert.NoError(t, Check(role, "cn-northwest-1"))
	assert.ErrorContains(t, Check(role, "eu-west-1"), "choose a region there")
	role.Partition = "minio"
	assert.NoError(t, Check(role, "eu-west-1"), "of some other system")
}
