//go:build !faults && linux

package main

const rounds = 8 // of what is done many times, where the tag faults does it more often
