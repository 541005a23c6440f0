// Command gateway runs a whole installation of chaim-gateway on this machine: PostgreSQL, an OpenID provider, three replicas and
// a balancer before them. It works in a scratch folder and prints where to click. AWS is a double: its keys open nothing.
//
// It needs what the installation needs: PostgreSQL 14 or later, and Node for the provider. Run it in the folder of the
// repository, and end it with Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	log.SetFlags(0)
	var o options
	flag.StringVar(&o.database, "database", "", "`URL` of a PostgreSQL database, instead of a server of the example's own")
	flag.StringVar(&o.modules, "node-modules", "", "`FOLDER` with the Node modules of the provider, instead of those that npm installs")
	flag.StringVar(&o.program, "program", "", "path of chaim-gateway, instead of one that is built")
	flag.IntVar(&o.replicas, "replicas", 3, "number of replicas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil && ctx.Err() == nil {
		log.Fatal("gateway: ", err)
	}
}

// options replace parts of the installation.
type options struct {
	database, modules, program string
	replicas                   int
}

// run starts the installation and waits for the end of ctx.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("/tmp", "chaim-gateway-") // the path of a socket of PostgreSQL is short
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs as a user of its own if this is root
		return err
	}
	site, err := begin(ctx, o, dir)
	defer func() { err = errors.Join(err, site.end()) }()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `gateway    %s          sign in as ada, bob or zoe with any password; ada is an admin
log in     chaim login %s
replicas   %s
config     export CHAIM_GATEWAY_CONFIG=%s     for the commands of chaim-gateway

`, site.url(), site.url(), site.addresses(), filepath.Join(dir, "gw", "config.yaml"))
	for n, replica := range site.replicas {
		fmt.Fprintf(out, "kill -9 %d ends replica %d; it comes back after a second\n", replica.pid(), n+1)
	}
	fmt.Fprintln(out, "\nCtrl-C ends all.")
	return site.wait(ctx)
}
