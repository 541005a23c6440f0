package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim"
	"github.com/chaim-go/chaim/internal/keys"
	"github.com/chaim-go/chaim/internal/sharedfile"
)

func (a *app) sweepCommand() *cobra.Command {
	var asJSON, isWholeCache bool
	cmd := &cobra.Command{
		Use:     "sweep [flags]",
		Aliases: []string{"clean"},
		GroupID: groupSetUp,
		Short:   "Remove what programs that were killed have left",
		Long: `sweep removes the profiles and files of programs that ended without removing them, and what 'chaim credential-process'
has cached and has expired. It prints them, one a line. What may still be in use stays, but for the cache with --cache.
Other commands remove the former too, before anything else.`,
		Example: "  chaim sweep\n  chaim sweep --cache\n  chaim sweep --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.sweep(cmd.Context(), isWholeCache, asJSON)
		},
	}
	cmd.Flags().BoolVar(&isWholeCache, "cache", false, "also remove cached keys that are still valid")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// sweptInfo is what sweep --json prints of a thing that is gone.
type sweptInfo struct {
	Path    string `json:"path"`
	Profile string `json:"profile"` // empty for a file
}

func (a *app) sweep(ctx context.Context, isWholeCache, asJSON bool) error {
	swept, err := chaim.Sweep(ctx, "")
	cached, cacheErr := a.sweepCache(ctx, isWholeCache)
	for _, path := range cached {
		swept = append(swept, chaim.Swept{Path: path})
	}
	err = errors.Join(err, cacheErr)
	if len(swept) == 0 && err == nil && !asJSON {
		a.say("there is nothing to remove")
	}
	if asJSON {
		infos := []sweptInfo{}
		for _, s := range swept {
			infos = append(infos, sweptInfo(s))
		}
		return errors.Join(writeJSON(a.out, infos), err)
	}
	var lines []string
	for _, s := range swept {
		line := "file " + quoted(s.Path)
		if s.Profile != "" {
			line = "profile " + keys.Printable(s.Profile) + " in " + quoted(s.Path)
		}
		lines = append(lines, line)
	}
	return errors.Join(writeLines(a.out, lines), err)
}

func (a *app) sweepCache(ctx context.Context, isWhole bool) ([]string, error) {
	cache, err := a.cache()
	switch {
	case errors.Is(err, sharedfile.ErrNoStore):
		return nil, nil
	case err != nil:
		return nil, err
	case isWhole:
		return cache.Clear(ctx)
	}
	return cache.Sweep(ctx)
}
