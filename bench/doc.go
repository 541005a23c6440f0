// Package bench holds benchmarks that set chaim against bare system calls and against other writers of the same file.
// See README.md for what each measures, its goal, and results.
package bench
