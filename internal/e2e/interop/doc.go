// Package interop is tests, with the build tag interop: they need the AWS CLI and boto3 of Debian.
//
//	go test -tags interop ./internal/e2e/interop
package interop
