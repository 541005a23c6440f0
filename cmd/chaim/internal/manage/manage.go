// Package manage has the commands for profiles that stay: they keep, list, renew, park and delete them.
package manage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/cmd/chaim/internal/cli"
	"github.com/chaim-go/chaim/cmd/chaim/internal/request"
	"github.com/chaim-go/chaim/cmd/chaim/internal/term"
	"github.com/chaim-go/chaim/internal/errtext"
)

// Commands returns the commands of this package.
func Commands(a *cli.App) []*cobra.Command {
	held, parked := request.CompleteProfiles(a, true, false), request.CompleteProfiles(a, false, true)
	both, named := request.CompleteProfiles(a, true, true), cobra.MinimumNArgs(1)
	return []*cobra.Command{
		accountCommand(a), listCommand(a), listAllCommand(a), listParkCommand(a), sweepCommand(a),
		renewCommand(a, renew, &cobra.Command{Use: "renew [PROFILE...] [flags]", ValidArgsFunction: held}),
		renewCommand(a, unpark, &cobra.Command{Use: "unpark PROFILE... [flags]", Args: named, ValidArgsFunction: parked}),
		changeCommand(a, "parking", park, &cobra.Command{Use: "park PROFILE... [flags]", Args: named, ValidArgsFunction: held}),
		changeCommand(a, "deleting", remove, &cobra.Command{
			Use: "delete PROFILE... [flags]", Aliases: []string{"rm"}, Args: named, ValidArgsFunction: both,
		}),
	}
}

// profileInfo is a profile in JSON.
type profileInfo struct {
	Name    string     `json:"name"`
	Account string     `json:"account"`
	Role    string     `json:"role"`
	Region  string     `json:"region"`
	Expires *time.Time `json:"expires"` // in UTC; null if unknown
}

func infoOf(p chaim.Profile) profileInfo {
	info := profileInfo{p.Name, p.Account, p.Role, p.Region, nil}
	if !p.Expires.IsZero() {
		end := p.Expires.UTC()
		info.Expires = &end
	}
	return info
}

// tell prints things as JSON or as a table. A thing without a row is left out of the table.
func tell[T any](a *cli.App, things []T, asJSON bool, row func(T) []term.Cell) error {
	if asJSON {
		return term.WriteJSON(a.Out, append([]T{}, things...)) // not null
	}
	var rows [][]term.Cell
	for _, thing := range things {
		if cells := row(thing); cells != nil {
			rows = append(rows, cells)
		}
	}
	return term.WriteLines(a.Out, term.Drawing{}.Align(rows))
}

// forEach calls fn for each name, some at a time, and returns the error of each. After the end of ctx it calls fn no more.
func forEach(ctx context.Context, names []string, atOnce int, fn func(i int, name string) error) []error {
	errs, slots := make([]error, len(names)), make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				errs[i] = errtext.Wrap(context.Cause(ctx), "profile %q", name)
				return
			}
			errs[i] = fn(i, name)
		})
	}
	all.Wait()
	return errs
}

// suggest adds similar names to the error about a profile that is not held or not parked.
func suggest(ctx context.Context, c *chaim.Client, name string, err error, held, parked bool) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names := request.Names(ctx, c, held, parked)
	if slices.Contains(names, name) { // another file is missing
		return err
	}
	if alike := cli.DidYouMean(name, names); alike != "" {
		return errtext.Chain(fmt.Sprintf("%v; did you mean the profile %s?", err, alike), err)
	}
	return err
}
