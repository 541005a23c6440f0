package chaim_test

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/chaim-go/chaim"
)

// TestZeroValuesReturnErrors calls every method of a Client and a Monitor that were not made by New and NewMonitor, nil ones
// among them, as a deferred Close has where New failed.
func TestZeroValuesReturnErrors(t *testing.T) {
	asError := reflect.TypeFor[error]()
	for _, value := range []any{&chaim.Client{}, &chaim.Monitor{}, (*chaim.Client)(nil), (*chaim.Monitor)(nil)} {
		v := reflect.ValueOf(value)
		for i := range v.NumMethod() {
			name, method := v.Type().Method(i).Name, v.Method(i)
			if name == "Format" {
				continue // below
			}
			require.NotPanics(t, func() {
				results := method.Call(argumentsFor(t, method))
				for _, result := range results {
					if result.Type() != asError {
						continue
					}
					err, _ := result.Interface().(error)
					assert.ErrorContains(t, err, "zero value: make one with chaim.New", "%T.%s", value, name)
				}
			}, "%T.%s", value, name)
		}
		assert.NotContains(t, fmt.Sprintf("%v %+v %x", value, value, value), "PANIC")
	}
	assert.Equal(t, []string{"AWS_PROFILE=no-profile-of-chaim", "AWS_DEFAULT_PROFILE=no-profile-of-chaim"}, new(chaim.Client).Environ())
	assert.Equal(t, chaim.StateExpired, new(chaim.Monitor).State())
	assert.Equal(t, chaim.StateExpired, new(chaim.Client).State())
}

// TestNilReceivers calls every method with a pointer receiver on nil: it does what it does for a zero value. A method of a
// value cannot be called so, as the language would have to copy nothing.
func TestNilReceivers(t *testing.T) {
	types := []reflect.Type{
		reflect.TypeFor[chaim.Client](), reflect.TypeFor[chaim.Monitor](), reflect.TypeFor[chaim.STS](), reflect.TypeFor[chaim.AwsCreds](),
		reflect.TypeFor[chaim.Settings](), reflect.TypeFor[chaim.Options](), reflect.TypeFor[chaim.EachOptions](), reflect.TypeFor[chaim.MonitorOptions](),
		reflect.TypeFor[chaim.Section](), reflect.TypeFor[chaim.Profile](), reflect.TypeFor[chaim.Account](), reflect.TypeFor[chaim.EachProgress](),
		reflect.TypeFor[chaim.State](), reflect.TypeFor[chaim.ProfileForm](),
		reflect.TypeFor[chaim.GatewayError](), reflect.TypeFor[chaim.AccountError](), reflect.TypeFor[chaim.EachError](),
	}
	noSDKConfig(t)
	for _, of := range types {
		ofNil, ofZero := reflect.Zero(reflect.PointerTo(of)), reflect.New(of)
		for i := range ofNil.NumMethod() {
			method := ofNil.Type().Method(i)
			if _, isOfValue := of.MethodByName(method.Name); isOfValue || method.Name == "Format" {
				continue
			}
			var got, want []any
			require.NotPanics(t, func() { got = callWithNothing(t, ofNil.Method(i)) }, "%s.%s", of, method.Name)
			require.NotPanics(t, func() { want = callWithNothing(t, ofZero.Method(i)) }, "%s.%s", of, method.Name)
			assert.Equal(t, want, got, "%s.%s", of, method.Name)
		}
		assert.NotContains(t, fmt.Sprintf("%v %+v %x", ofNil, ofNil, ofNil), "PANIC", of)
	}
	failed := &chaim.EachError{Total: 1, Accounts: []*chaim.AccountError{nil}}
	assert.NotPanics(t, func() { _, _ = failed.Error(), failed.Unwrap() })
}

// callWithNothing calls a method with arguments of little meaning, and returns the texts of its errors and its other results.
func callWithNothing(t *testing.T, method reflect.Value) (results []any) {
	for _, result := range method.Call(argumentsFor(t, method)) {
		switch value := result.Interface().(type) {
		case error:
			results = append(results, value.Error())
		case <-chan struct{}:
			results = append(results, value == nil)
		default:
			results = append(results, value)
		}
	}
	return results
}

func argumentsFor(t *testing.T, method reflect.Value) []reflect.Value {
	arguments := make([]reflect.Value, method.Type().NumIn())
	for j := range arguments {
		switch in := method.Type().In(j); in {
		case reflect.TypeFor[context.Context]():
			arguments[j] = reflect.ValueOf(t.Context())
		case reflect.TypeFor[io.Writer]():
			arguments[j] = reflect.ValueOf(io.Discard)
		case reflect.TypeFor[string]():
			arguments[j] = reflect.ValueOf("dev")
		default:
			arguments[j] = reflect.Zero(in)
		}
	}
	return arguments
}
