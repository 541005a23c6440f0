// Package readers holds the tests that read a credentials file, which chaim has edited, with other readers: botocore, the
// AWS SDK for Go v2, and the AWS SDK for JavaScript v3.
package readers
