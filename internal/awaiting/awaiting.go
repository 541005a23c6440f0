// Package awaiting lets work tell the command that runs it what it waits for. The context carries the observer.
package awaiting

import "context"

// Begin is called when a wait for something begins. It returns a function to be called when the wait ends.
type Begin func(what string) (end func())

type key struct{}

// Observe returns a context in which [For] calls begin. Any number of goroutines may call begin at once.
func Observe(ctx context.Context, begin Begin) context.Context {
	return context.WithValue(ctx, key{}, begin)
}

// For says that a wait begins, which is over when end is called. what follows the words "waiting for", and holds no secret.
// Without an observer, For does nothing.
func For(ctx context.Context, what string) (end func()) {
	if begin, isObserved := ctx.Value(key{}).(Begin); isObserved {
		return begin(what)
	}
	return func() {}
}
