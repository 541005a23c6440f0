package main

import "github.com/spf13/cobra"

// commands are all commands but those that cobra adds: help and completion.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.execCommand(),
		a.credentialProcessCommand(),
		a.serveCommand(),
		a.accountCommand(),
		a.listCommand(),
		a.listAllCommand(),
		a.listParkCommand(),
		a.renewCommand(),
		a.parkCommand(),
		a.unparkCommand(),
		a.deleteCommand(),
		a.sweepCommand(),
		a.eachCommand(),
		a.urlCommand(),
		a.guiCommand(),
		a.gsoCommand(),
		a.envCommand(),
		a.initCommand(),
		a.whoamiCommand(),
		a.doctorCommand(),
		a.demoCommand(),
		a.versionCommand(),
	}
}
