#include "common/metrics.h"

#include <fcntl.h>
#include <pthread.h>

#include "suite.h"

/* clang-format off */
static struct metric table[] = {
    {METRIC_COUNTER, "x_requests_total", "operation=\"newOrder\"", "Requests.\nBack\\slash.", 0},
    {METRIC_COUNTER, "x_requests_total", "operation=\"finalize\"", NULL, 0},
    {METRIC_GAUGE, "x_open", NULL, "Open now.", 0},
};
/* clang-format on */

START_TEST(the_table_is_rendered_in_the_text_exposition_format) {
    AUTO(buf_done) struct buf buf = buf_new(4096);
    metric_add(&table[0], 2);
    metric_add(&table[1], 1);
    metric_set(&table[2], -3);
    ck_assert(metrics_render(table, COUNT(table), &buf));
    ck_assert_str_eq(buf.data, "# HELP x_requests_total Requests.\\nBack\\\\slash.\n"
                               "# TYPE x_requests_total counter\n"
                               "x_requests_total{operation=\"newOrder\"} 2\n"
                               "x_requests_total{operation=\"finalize\"} 1\n"
                               "# HELP x_open Open now.\n"
                               "# TYPE x_open gauge\n"
                               "x_open -3\n");
}
END_TEST

START_TEST(a_full_buffer_is_reported) {
    AUTO(buf_done) struct buf buf = buf_new(20);
    ck_assert(!metrics_render(table, COUNT(table), &buf));
    ck_assert(!metrics_render_process("nfsim", &buf));
}
END_TEST

static void *count_many(void *metric) {
    for (unsigned i = 0; i < 20000; i++) {
        metric_add(metric, 1);
    }
    return NULL;
}

START_TEST(no_count_is_lost_between_threads) {
    pthread_t threads[4];
    int64_t before = metric_get(&table[1]);
    for (unsigned i = 0; i < COUNT(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_many, &table[1]), 0);
    }
    for (unsigned i = 0; i < COUNT(threads); i++) {
        (void)pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(metric_get(&table[1]) - before, 80000);
}
END_TEST

static double figure(const char *text, const char *name) {
    char pattern[80];
    (void)snprintf(pattern, sizeof(pattern), "\n%s ", name);
    const char *at = strstr(text, pattern);
    ck_assert_msg(at != NULL, "%s", name);
    return strtod(at + strlen(pattern), NULL);
}

START_TEST(the_process_reports_itself) {
    AUTO(buf_done) struct buf before = buf_new(4096);
    AUTO(buf_done) struct buf after = buf_new(4096);
    ck_assert(metrics_render_process("nfsim", &before));
    int fds[3];
    for (unsigned i = 0; i < COUNT(fds); i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    volatile uint64_t work = 0;
    for (uint64_t i = 0; i < 5000000; i++) {
        work = work + i;
    }
    ck_assert(metrics_render_process("nfsim", &after));
    for (unsigned i = 0; i < COUNT(fds); i++) {
        (void)close(fds[i]);
    }
    ck_assert(figure(after.data, "process_open_fds")
              == figure(before.data, "process_open_fds") + 3);
    ck_assert(figure(after.data, "process_cpu_seconds_total")
              > figure(before.data, "process_cpu_seconds_total"));
    ck_assert(figure(after.data, "process_resident_memory_bytes") > 500000);
    ck_assert_ptr_nonnull(
        strstr(after.data, "nfacme_build_info{program=\"nfsim\",version=\"0.1.0\"} 1\n"));
}
END_TEST

int main(void) {
    const TTest *tests[] = {the_table_is_rendered_in_the_text_exposition_format,
                            a_full_buffer_is_reported, no_count_is_lost_between_threads,
                            the_process_reports_itself};
    return suite_run("metrics", tests, COUNT(tests));
}
