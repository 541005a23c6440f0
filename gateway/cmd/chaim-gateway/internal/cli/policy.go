package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/policy"
	"github.com/chaim-go/chaim/gateway/policy/yaml"
)

// ErrNoPolicy says that no policy was ever applied.
var ErrNoPolicy = errors.New("there is no policy yet: 'chaim-gateway apply -f policy.yaml' makes the first version")

// Engine compiles the policy of a view.
func Engine(view *store.View) (*policy.Engine, error) {
	if view.Policy.Seq == 0 {
		return nil, ErrNoPolicy
	}
	return Compile(view.Policy)
}

// Compile compiles a version of the policy.
func Compile(v store.PolicyVersion) (*policy.Engine, error) {
	doc, err := yaml.Parse(v.Doc)
	if err != nil {
		return nil, fmt.Errorf("version %d of the policy: %w", v.Seq, err)
	}
	return policy.Compile(doc, v.Seq)
}

// HeldAfterRestore is the reason of the freeze that a restore begins and the next apply ends.
const HeldAfterRestore = "restored from a backup, until a policy is applied"

// Policy reads the people and the compiled policy.
func (s *Session) Policy(ctx context.Context) (*store.View, *policy.Engine, error) {
	view, err := s.DB.View(ctx)
	if err != nil {
		return nil, nil, err
	}
	engine, err := Engine(view)
	return view, engine, err
}
