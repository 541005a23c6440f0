// Package bench compares chaim with bare system calls and with other programs that write the same file. README.md describes
// the benchmarks, their goals and results.
package bench
