#include "server/latency.h"

#include "tests/unit/common/suite.h"

/* A bound belongs to its bucket. */
START_TEST(a_time_is_in_the_first_bucket_that_holds_it) {
    static const struct {
        uint64_t us;
        const char *le, *before;
    } rows[] = {
        {0, "0.0001", NULL},       {100, "0.0001", NULL},      {101, "0.00025", "0.0001"},
        {5000, "0.005", "0.0025"}, {5001, "0.01", "0.005"},    {30000000, "30", "10"},
        {30000001, "+Inf", "30"},  {UINT64_MAX, "+Inf", "30"},
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        AUTO(buf_done) struct buf buf = buf_new(4096);
        struct latency latency = {0};
        char line[64];
        latency_add(&latency, rows[i].us);
        ck_assert(latency_render(&latency, "x", "y=\"z\"", &buf));
        (void)snprintf(line, sizeof(line), "x_bucket{y=\"z\",le=\"%s\"} 1\n", rows[i].le);
        ck_assert_msg(strstr(buf.data, line) != NULL, "%u: %s", i, buf.data);
        if (rows[i].before != NULL) {
            (void)snprintf(line, sizeof(line), "le=\"%s\"} 0\n", rows[i].before);
            ck_assert_msg(strstr(buf.data, line) != NULL, "%u: %s", i, buf.data);
        }
    }
}
END_TEST

START_TEST(the_sum_is_in_seconds) {
    AUTO(buf_done) struct buf buf = buf_new(4096);
    struct latency latency = {0};

    latency_add(&latency, 1000000);
    latency_add(&latency, 42);
    ck_assert(latency_render(&latency, "x", "y=\"z\"", &buf));
    ck_assert_ptr_nonnull(strstr(buf.data, "\nx_sum{y=\"z\"} 1.000042\nx_count{y=\"z\"} 2\n"));
}
END_TEST

START_TEST(what_does_not_fit_is_said) {
    AUTO(buf_done) struct buf buf = buf_new(100);
    struct latency latency = {0};
    ck_assert(!latency_render(&latency, "x", "y=\"z\"", &buf));
}
END_TEST

int main(void) {
    const TTest *const tests[] = {a_time_is_in_the_first_bucket_that_holds_it,
                                  the_sum_is_in_seconds, what_does_not_fit_is_said};
    return suite_run("server/latency", tests, COUNT(tests));
}
