// Package readers holds the tests that ask the readers of other people's programs, botocore, the AWS SDK for Go v2 and
// that for JavaScript v3, what they see in a credentials file that chaim has edited.
package readers
