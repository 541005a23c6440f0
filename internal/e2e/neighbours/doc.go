// Package neighbours holds tests only. They run chaim in many goroutines and processes at once, and beside programs that
// write the same credentials file without a lock. They need Linux, Debian's awscli and python3-botocore, and the build
// tag "neighbours". With CHAIM_SOAK=1 in the environment they run longer.
package neighbours
