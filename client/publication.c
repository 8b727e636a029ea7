#include "client/publication.h"

#include "client/store_sql.h"

static bool put(struct store_sql *sql, void *ctx, struct err *err) {
    const struct publication *publication = ctx;
    const struct store_value values[] = {
        STORE_TEXT(publication->kind), STORE_TEXT(publication->name),
        STORE_TEXT(publication->value), STORE_INT(publication->row)};

    return store_sql_do(
        sql, "INSERT OR REPLACE INTO publication(kind, name, value, row) VALUES(?, ?, ?, ?)",
        values, COUNT(values), err);
}

static bool drop(struct store_sql *sql, void *ctx, struct err *err) {
    const struct publication *publication = ctx;
    const struct store_value values[] = {STORE_TEXT(publication->kind),
                                         STORE_TEXT(publication->name),
                                         STORE_TEXT(publication->value)};

    return store_sql_do(sql, "DELETE FROM publication WHERE kind = ? AND name = ? AND value = ?",
                        values, COUNT(values), err);
}

bool publication_put(struct store *store, struct publication *publication, store_saved *saved,
                     struct err *err) {
    return store_write(store, put, saved, publication, err);
}

bool publication_drop(struct store *store, struct publication *publication, store_saved *saved,
                      struct err *err) {
    return store_write(store, drop, saved, publication, err);
}

struct left {
    const char *kind;
    publication_fn *fn;
    void *ctx;
};

static bool left_one(void *ctx, const struct store_row *row, struct err *err) {
    const struct left *left = ctx;
    const char *state_name = store_row_text(row, 3);
    enum enrolment_state state = ENROLMENT_STATE__COUNT;
    const struct publication publication = {.kind = left->kind,
                                            .name = store_row_text(row, 0),
                                            .value = store_row_text(row, 1),
                                            .row = store_row_int(row, 2)};

    if (publication.name == NULL || publication.value == NULL) {
        return true;
    }
    const bool wanted =
        state_name != NULL && enrolment_state_parse(state_name, &state) && state < ENROLMENT_READY;
    return left->fn(left->ctx, &publication, wanted, err);
}

static bool left_all(struct store_sql *sql, void *ctx, struct err *err) {
    const struct left *left = ctx;
    const struct store_value values[] = {STORE_TEXT(left->kind)};

    return store_sql_each(sql,
                          "SELECT p.name, p.value, p.row, g.state FROM publication p"
                          " LEFT JOIN progress g ON g.row = p.row WHERE p.kind = ?",
                          values, COUNT(values), left_one, ctx, err);
}

bool publication_left(struct store *store, const char *kind, publication_fn *fn, void *ctx,
                      struct err *err) {
    return store_read_now(store, left_all, &(struct left){kind, fn, ctx}, err);
}
