package gateway

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/chaim-go/chaim/internal/awsprofile"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/partition"
)

// Role is the role of a request, as a gateway can be asked for it.
type Role struct {
	Name string  // an alias or the name of the IAM role; with an ARN always the latter
	ARN  arn.ARN // zero if the request has none
}

// HasARN reports whether the request names the role by its ARN. Keys of any other IAM role are then wrong, also if an alias is
// spelt like the name.
func (r Role) HasARN() bool { return r.ARN != arn.ARN{} }

// RoleOf returns the role of a request. Gateways know no ARNs, so it refuses one that is not that of a role: the last part of
// the ARN of a user or a session is the name of something else. It refuses too what is in another account or partition.
func RoleOf(r keys.Request) (Role, error) {
	if !strings.Contains(r.Role, ":") { // which is in no name
		return Role{Name: r.Role}, nil
	}
	role, err := awsprofile.ParseAWSRole(r.Role)
	if err != nil {
		return Role{}, err
	}
	if id := r.ID(); id != "" && role.AccountID != id {
		return Role{}, fmt.Errorf("chaim: role %s is not one of account %s", keys.QuoteShort(r.Role), id)
	}
	if r.Region != "" {
		if err := partition.Check(role, r.Region); err != nil {
			return Role{}, err
		}
	}
	return Role{Name: awsprofile.RoleName(role.Resource), ARN: role}, nil
}
