// Package bench measures the gateway against what it stands on: an AssumeRole without it, and the limit that it sets itself.
//
//	go test -bench . ./bench
//
// The benchmarks on PostgreSQL need a server, see .postgres. Package policy has the benchmarks of decisions, internal/store
// those of the audit log, internal/legacy that of the list of accounts.
package bench
