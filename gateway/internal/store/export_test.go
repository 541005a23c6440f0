package store

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/chaim-go/chaim/gateway/internal/audit"
)

// Pools returns the connections that read and those that write.
func Pools(db *DB) (reads, writes *sql.DB) {
	switch e := db.engine.(type) {
	case *sqliteFile:
		return e.reads, e.writes
	case *postgresServer:
		return e.reads, e.writes
	}
	panic("another database")
}

// RawInsert inserts rows of the log without reading, hashing or locking anything.
func RawInsert(ctx context.Context, db *DB, conn *sql.Conn) (func(audit.Batch, []audit.Entry) error, error) {
	if _, ok := db.engine.(*postgresServer); ok {
		return func(b audit.Batch, events []audit.Entry) error {
			return conn.Raw(func(d any) error {
				q := &pgx.Batch{}
				q.Queue("BEGIN")
				q.Queue(insertBatch, b.Seq, b.Prev, b.Hash, b.N, b.Writer, b.At, b.Auth)
				queueEvents(q, b.Seq, events)
				q.Queue("COMMIT")
				return d.(*stdlib.Conn).Conn().SendBatch(ctx, q).Close()
			})
		}, nil
	}
	batches, err := conn.PrepareContext(ctx, insertBatch)
	if err != nil {
		return nil, err
	}
	event, err := conn.PrepareContext(ctx, insertEvent)
	return func(b audit.Batch, events []audit.Entry) error {
		if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		if _, err := batches.ExecContext(ctx, b.Seq, b.Prev, b.Hash, b.N, b.Writer, b.At, b.Auth); err != nil {
			return err
		}
		for _, e := range events {
			if _, err := event.ExecContext(ctx, e.Seq, e.Idx, e.At, string(e.Type), e.Actor, e.Subject, e.Account, e.Role, e.Issue,
				e.Salt, e.Body, e.Leaf); err != nil {
				return err
			}
		}
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	}, err
}
