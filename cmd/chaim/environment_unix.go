//go:build unix

package main

func sameVariable(a, b string) bool { return a == b }
