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
			require.NotPanics(t, func() {
				results := method.Call(arguments)
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
	for _, err := range []error{
		(*chaim.GatewayError)(nil), (*chaim.AccountError)(nil), (*chaim.EachError)(nil), &chaim.EachError{Accounts: []*chaim.AccountError{nil}},
	} {
		assert.NotPanics(t, func() { assert.NotEmpty(t, err.Error()) }, "%T", err)
	}
}
