// Package faults holds the tests that kill programs that use chaim, cut their power, or make their disk fail. They need
// Linux, root and a few tools:
//
//	apt-get install strace e2fsprogs xfsprogs util-linux mount
//	go test -tags faults ./internal/e2e/faults
//
// With CHAIM_SOAK=1 in the environment they go on for longer.
package faults
