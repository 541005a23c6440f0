// Package neighbours holds only tests: chaim in many goroutines and processes at once, and beside programs that write the
// same credentials file without a lock. They need Linux, Debian's awscli and python3-botocore, and the build tag
// "neighbours". CHAIM_SOAK=1 makes them go on for longer.
package neighbours
