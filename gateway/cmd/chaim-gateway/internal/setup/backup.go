package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chaim-go/chaim/gateway/cmd/chaim-gateway/internal/cli"
	"github.com/chaim-go/chaim/gateway/internal/config"
	"github.com/chaim-go/chaim/gateway/internal/store"
	"github.com/chaim-go/chaim/gateway/internal/token"
)

func backupCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Copy the SQLite database to a file, while the gateway serves", Args: cobra.ExactArgs(1),
		Long: `backup writes a copy of the database to a new file that only its owner may read. The key ring is not in it: keep that
elsewhere, since the two together are worth more to a thief. For PostgreSQL use pg_dump or its continuous archiving.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.With(cmd.Context(), func(s *cli.Session) error {
				if !s.Config.IsSQLite() {
					return errors.New("backup copies SQLite databases: use pg_dump, or the continuous archiving of PostgreSQL")
				}
				head, err := s.DB.Head(cmd.Context()) // before, so that the copy has this batch
				if err != nil {
					return err
				}
				err = s.DB.Backup(cmd.Context(), args[0])
				if err == nil {
					a.Say("copied %s to %s, with the audit log up to batch %d at least; the key ring %s is not in it", s.Config.Where(), args[0], head.Seq, s.Config.KeyRing)
				}
				return err
			})
		},
	}
}

func restoreCommand(a *cli.App) *cobra.Command {
	var isForked bool
	cmd := &cobra.Command{
		Use: "restore [FILE]", Short: "Begin anew with a database from a backup", Args: cobra.MaximumNArgs(1),
		Long: `restore puts a copy that backup made in the place of the SQLite database, which is kept beside it. With --accept-fork and
without FILE it takes the database as it is, after PostgreSQL was restored.

What happened after the backup is lost, also that a user was disabled or a token revoked. So restore ends all tokens, makes a
new key for tokens, and lends nothing until 'chaim-gateway apply' has run, or 'thaw'. A policy.file that the server applies does
not end that; nor does apply if the backup was made during a freeze. The audit log says what is known of the lost part. Stop the
server first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if isForked == (len(args) == 1) {
				return cli.Usagef("restore what? Give the FILE that backup made, or --accept-fork for the database as it is")
			}
			return restore(cmd.Context(), a, args)
		},
	}
	cmd.Flags().BoolVar(&isForked, "accept-fork", false, "go on with the database as it is, though its audit log is older than it was")
	return cmd
}

func restore(ctx context.Context, a *cli.App, args []string) error {
	c, _, err := a.Config()
	switch {
	case err != nil:
		return err
	case len(args) == 0:
		return cli.AcceptFork(ctx, a, c)
	case !c.IsSQLite():
		return errors.New("a FILE is for SQLite databases: restore PostgreSQL with its own tools, then run 'chaim-gateway restore --accept-fork'")
	}
	return restoreFile(ctx, a, c, args[0])
}

// restoreFile puts a copy of file, which must be of this gateway, in the place of the database, which it moves aside. Before the
// copy gets there, all its tokens have ended and it lends nothing: so a restore that is cut off leaves nothing that could serve
// with what was revoked.
func restoreFile(ctx context.Context, a *cli.App, c *config.Config, file string) (err error) {
	path := strings.TrimPrefix(c.Database.Reveal(), "sqlite:")
	ring, err := token.LoadRing(c.KeyRing)
	if err != nil {
		return err
	}
	copied := path + ".restoring"
	if err := removeDatabase(copied); err != nil { // of a restore that was cut off: its journal must not meet another database
		return err
	}
	if err := copyNew(file, copied); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase(copied)) }() // what is left of it
	if err := isOfGateway(ctx, file, copied, ring.GatewayID()); err != nil {
		return err
	}
	lock, err := lockUnserved(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	prepared := *c
	prepared.Database = config.NewSecret("sqlite:" + copied)
	if err := cli.AcceptFork(ctx, a, &prepared); err != nil {
		return err
	}
	aside, err := moveAside(path)
	if err != nil {
		return err
	}
	if aside != "" {
		a.Say("the database from before is now %s", aside)
	}
	for _, end := range slices.Backward(databaseFiles) { // the database last, so that it is never without the rest
		if err := os.Rename(copied+end, path+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isOfGateway refuses a copy of file that is not a database of the gateway.
func isOfGateway(ctx context.Context, file, copied, gateway string) error {
	db, err := store.Open(ctx, "sqlite:"+copied)
	if err != nil {
		return fmt.Errorf("%s is no backup of a gateway: %w", file, err)
	}
	id := db.ID()
	if err := db.Close(); err != nil {
		return err
	}
	if id != gateway {
		return fmt.Errorf("%s is of gateway %s, but the key ring is that of %s: a backup goes with the key ring of its gateway", file, id, gateway)
	}
	return nil
}

// databaseFiles are the ends of the names of the files that make up a SQLite database.
var databaseFiles = []string{"", "-wal", "-shm", "-journal"}

func removeDatabase(path string) (err error) {
	for _, end := range databaseFiles {
		if e := os.Remove(path + end); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// noServer is the lock of a database that no server can serve.
type noServer struct{}

func (noServer) Close() error { return nil }

// lockUnserved refuses a database that a server uses, and keeps servers from it until the lock is closed.
func lockUnserved(ctx context.Context, path string) (io.Closer, error) {
	db, err := store.Open(ctx, "sqlite:"+path)
	if err != nil {
		return noServer{}, nil // it is missing or broken
	}
	lock, err := db.LockServe()
	return lock, errors.Join(err, db.Close())
}

// moveAside renames the files of a database, and returns its new path. It is empty if there are none. Without the database
// itself there may be others, of a restore that was cut off: they must not meet another database.
func moveAside(path string) (aside string, err error) {
	isThere := func(path string) bool { _, err := os.Lstat(path); return err == nil }
	if !slices.ContainsFunc(databaseFiles, func(end string) bool { return isThere(path + end) }) {
		return "", nil
	}
	for n := 1; ; n++ {
		aside = fmt.Sprintf("%s.before-restore-%d", path, n)
		if !slices.ContainsFunc(databaseFiles, func(end string) bool { return isThere(aside + end) }) {
			break
		}
	}
	for _, end := range databaseFiles {
		if err := os.Rename(path+end, aside+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, nil
}

// copyNew copies a file to a new one that only its owner may read.
func copyNew(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
