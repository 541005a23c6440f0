//go:build unix

package main

// refuseArguments refuses nothing: programs get their arguments as they are.
func refuseArguments([]string) *programError { return nil }
