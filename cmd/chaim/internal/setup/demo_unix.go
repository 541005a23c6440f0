//go:build unix

package setup

// inShell is a command line for a shell. The program replaces the shell, and so gets its signals.
func inShell(line string) []string { return []string{"/bin/sh", "-c", "exec " + line} }

var story = []step{
	{
		"A program gets a profile for as long as it runs.",
		`chaim exec sredev -- sh -c 'echo "profile $AWS_PROFILE, account $CHAIM_ACCOUNT as $CHAIM_ROLE"'`, false,
	},
	{"It is gone with the program.", `chaim list`, false},
	{"Or a profile is kept until its keys expire.", `chaim account sredev mpu -d 4h`, false},
	{"This is what is held.", `chaim list`, false},
	{"A program that is killed with -KILL cannot clean up.", `chaim exec sredev -- sh -c 'kill -KILL $PPID'`, true},
	{"Others do it in its place.", `chaim sweep`, false},
}
