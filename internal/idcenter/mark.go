package idcenter

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// Mark returns a hash of the kept sign-in. A renewal changes it. It is empty without a sign-in.
func (c *Center) Mark(ctx context.Context) string {
	token, err := c.read(ctx)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(token.Access)))
}
