// Package interop holds tests only, with the build tag interop. They need the AWS CLI and boto3 of Debian.
//
//	go test -tags interop ./internal/e2e/interop
package interop
