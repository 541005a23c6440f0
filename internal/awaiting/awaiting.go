// Package awaiting lets work say what it waits for, to the command that runs it. The context carries it there.
package awaiting

import "context"

// Begin is called when a wait for something begins, and returns what is called when it ends.
type Begin func(what string) (end func())

type key struct{}

// Observe returns a context in which [For] calls begin, which any number of goroutines may do at once.
func Observe(ctx context.Context, begin Begin) context.Context {
	return context.WithValue(ctx, key{}, begin)
}

// For says that a wait begins, and is over when end is called. what follows the words "waiting for", and holds no secret.
// Where nothing observes, it does nothing.
func For(ctx context.Context, what string) (end func()) {
	if begin, isObserved := ctx.Value(key{}).(Begin); isObserved {
		return begin(what)
	}
	return func() {}
}
