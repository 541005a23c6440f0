//go:build faults && linux

package main

const rounds = 100 // of what is done many times
