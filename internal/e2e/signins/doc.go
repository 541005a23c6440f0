// Package signins holds tests only, with the build tag interop: chaim, boto3, the AWS SDKs for JavaScript and Go share
// sign-ins to IAM Identity Center. They need the folder CHAIM_NODE_MODULES, and a python3 with a boto3 that knows
// AWS_ENDPOINT_URL_SSO, as moto brings it.
//
//	go test -tags interop ./internal/e2e/signins
package signins
