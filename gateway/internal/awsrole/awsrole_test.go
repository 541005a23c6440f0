package awsrole

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestARN(t *testing.T) {
	for want, parts := range map[string][4]string{
		"arn:aws:iam::123456789012:role/Reader":                 {"", "123456789012", "", "Reader"},
		"arn:aws:iam::123456789012:role/Admin":                  {"aws", "123456789012", "/", "Admin"},
		"arn:aws-cn:iam::123456789012:role/chaim/Reader":        {"aws-cn", "123456789012", "/chaim/", "Reader"},
		"arn:aws-us-gov:iam::123456789012:role/chaim/sre/Admin": {"aws-us-gov", "123456789012", "/chaim/sre/", "Admin"},
	} {
		got := ARN(parts[0], parts[1], parts[2], parts[3])
		assert.Equal(t, want, got)
		name, err := Name(got)
		require.NoError(t, err)
		assert.Equal(t, parts[3], name)
	}
	_, err := Name("arn:aws:iam::123456789012:user/ada")
	assert.Error(t, err)
}

func TestSourceIdentity(t *testing.T) {
	nobody := func(string) bool { return false }
	assert.Equal(t, "ada.l@example.com", SourceIdentity("ada.l@example.com", nobody))
	taken := map[string]bool{"ada": true}
	isTaken := func(s string) bool { return taken[s] }
	for _, name := range []string{"ada", "a", "a b/c", "ünal", strings.Repeat("x", 65), "", "aws:root"} {
		for range 3 { // each user with the same name gets another one
			got := SourceIdentity(name, isTaken)
			assert.Regexp(t, `^[\w+=,.@-]*-[0-9a-f]{6}$`, got)
			assert.True(t, IsSourceIdentity(got), got)
			assert.False(t, taken[got])
			assert.Equal(t, got, SourceIdentity(name, isTaken), "the same question has the same answer")
			taken[got] = true
		}
	}
}

func TestPrincipal(t *testing.T) {
	for identity, want := range map[string]string{
		"arn:aws:sts::111111111111:assumed-role/Gateway/i-0abc": "arn:aws:iam::111111111111:role/Gateway",
		"arn:aws-cn:sts::111111111111:assumed-role/Gateway/x":   "arn:aws-cn:iam::111111111111:role/Gateway",
		"arn:aws:iam::111111111111:role/chaim/Gateway":          "arn:aws:iam::111111111111:role/chaim/Gateway",
		"arn:aws:iam::111111111111:user/gateway":                "arn:aws:iam::111111111111:user/gateway",
		"arn:aws:iam::111111111111:root":                        "arn:aws:iam::111111111111:root",
	} {
		got, err := Principal(identity)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, identity := range []string{
		"", "gateway", "arn:aws:sts::111111111111:federated-user/x", "arn:aws:sts::111111111111:assumed-role/Gateway",
		"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111111111111:role/", "*",
	} {
		_, err := Principal(identity)
		assert.ErrorContains(t, err, "is not the ARN", identity)
	}
}

func TestTrustPolicy(t *testing.T) {
	got, err := TrustPolicy("arn:aws:sts::111111111111:assumed-role/Gateway/i-0abc", "ext-1")
	require.NoError(t, err)
	assert.Equal(t, `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ChaimGatewayAssumesRole",
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::111111111111:role/Gateway"
      },
      "Action": [
        "sts:AssumeRole"
      ],
      "Condition": {
        "StringEquals": {
          "sts:ExternalId": "ext-1"
        },
        "StringLike": {
          "sts:SourceIdentity": "*"
        }
      }
    },
    {
      "Sid": "ChaimGatewayNamesUser",
      "Effect": "Allow",
      "Principal": {
        "AWS": "arn:aws:iam::111111111111:role/Gateway"
      },
      "Action": [
        "sts:SetSourceIdentity",
        "sts:TagSession"
      ]
    }
  ]
}
`, string(got))
	got, err = TrustPolicy("arn:aws:iam::111111111111:user/gateway", "")
	require.NoError(t, err)
	assert.NotContains(t, string(got), "ExternalId")
	assert.Contains(t, string(got), `"sts:SourceIdentity": "*"`)
	_, err = TrustPolicy("*", "")
	assert.Error(t, err, "a trust of everyone")
}

func TestGatewayPolicy(t *testing.T) {
	got, err := GatewayPolicy([]string{"arn:aws:iam::*:role/chaim/Reader", "arn:aws:iam::*:role/Admin", "arn:aws:iam::*:role/Admin"})
	require.NoError(t, err)
	assert.Equal(t, `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ChaimGatewayAssumesRoles",
      "Effect": "Allow",
      "Action": [
        "sts:AssumeRole",
        "sts:SetSourceIdentity",
        "sts:TagSession"
      ],
      "Resource": [
        "arn:aws:iam::*:role/Admin",
        "arn:aws:iam::*:role/chaim/Reader"
      ]
    }
  ]
}
`, string(got))
	_, err = GatewayPolicy(nil)
	assert.ErrorContains(t, err, "no roles")
}

func TestDenyPolicy(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 1, time.FixedZone("", 3600))
	got, err := DenyPolicy("ada", at)
	require.NoError(t, err)
	assert.Equal(t, `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ChaimEndsKeysOfUser",
      "Effect": "Deny",
      "Action": [
        "*"
      ],
      "Resource": [
        "*"
      ],
      "Condition": {
        "DateLessThan": {
          "aws:TokenIssueTime": "2026-05-01T11:00:01Z"
        },
        "StringEquals": {
          "aws:SourceIdentity": "ada"
        }
      }
    }
  ]
}
`, string(got))
	for _, name := range []string{"", "*", "a\"b", "a"} {
		_, err := DenyPolicy(name, at)
		assert.Error(t, err, name)
	}
}
