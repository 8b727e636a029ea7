#include "common/config.h"

#include "common/buf.h"
#include "common/file.h"
#include "suite.h"

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "listen", .type = CONFIG_TEXT, .fallback = "127.0.0.1:0", .help = "Where."},
    {.path = "store", .type = CONFIG_TEXT, .fallback = "sqlite", .choices = "sqlite|memory", .help = "How."},
    {.path = "oam", .type = CONFIG_TEXT, .help = "Whom."},
    {.path = "port", .type = CONFIG_INT, .fallback = "80", .min = 1, .max = 65535, .help = "Port."},
    {.path = "any", .type = CONFIG_INT, .help = "Any number."},
    {.path = "rate", .type = CONFIG_NUMBER, .fallback = "1.5", .min = 0, .max = 100, .help = "Rate."},
    {.path = "tui", .type = CONFIG_BOOL, .fallback = "false", .help = "Table."},
    {.path = "life", .type = CONFIG_DURATION, .fallback = "90d", .min = 1, .max = 1e8, .help = "Life."},
    {.path = "names", .type = CONFIG_TEXTS, .help = "Names."},
    {.path = "ways", .type = CONFIG_TEXTS, .fallback = "a,b", .choices = "a|b|c", .help = "Ways."},
    {.path = "limits", .type = CONFIG_SECTION, .help = "Limits."},
    {.path = "limits.body", .type = CONFIG_INT, .fallback = "100", .help = "Body."},
    {.path = "fleet", .type = CONFIG_LIST, .help = "Fleet."},
    {.path = "fleet[].type", .type = CONFIG_TEXT, .help = "Type."},
    {.path = "fleet[].count", .type = CONFIG_INT, .fallback = "1", .min = 1, .max = 9, .help = "Count."},
    {.path = "fleet[].names", .type = CONFIG_TEXTS, .help = "Names."},
    {0},
};
/* clang-format on */

static struct config *read_sets(const char *text, const char *const *sets, struct err *err) {
    return config_read_text("a.yaml", text, strlen(text), keys, sets, err);
}

static struct config *read_good(const char *text) {
    struct err err = {0};
    struct config *config = read_sets(text, NULL, &err);
    ck_assert_msg(config != NULL, "%s", err.detail);
    return config;
}

START_TEST(an_empty_document_has_every_default) {
    static const char *const texts[] = {"", "# nothing\n", "---\n", "{}", "listen:\nfleet: ~\n"};
    for (unsigned i = 0; i < COUNT(texts); i++) {
        AUTO(config_free) struct config *config = read_good(texts[i]);
        ck_assert_str_eq(config_text(config, "listen"), "127.0.0.1:0");
        ck_assert_ptr_null(config_text(config, "oam"));
        ck_assert_int_eq(config_int(config, "port"), 80);
        ck_assert_int_eq(config_int(config, "any"), 0);
        ck_assert(config_number(config, "rate") == 1.5);
        ck_assert(!config_bool(config, "tui"));
        ck_assert_uint_eq(config_duration_us(config, "life"), 90ULL * 86400 * 1000000);
        ck_assert_uint_eq(config_count(config, "names"), 0);
        ck_assert_uint_eq(config_count(config, "ways"), 2);
        ck_assert_str_eq(config_text_at(config, "ways", 1), "b");
        ck_assert_int_eq(config_int(config, "limits.body"), 100);
        ck_assert_uint_eq(config_count(config, "fleet"), 0);
        ck_assert(!config_is_set(config, "listen"));
        ck_assert(!config_is_set(config, "limits.body"));
    }
}
END_TEST

START_TEST(values_are_read_by_their_paths) {
    AUTO(config_free)
    struct config *config = read_good("listen: \"[::1]:5\"\nport: 443\nrate: 2e1\ntui: true\n"
                                      "any: -5\nlife: 2500ms\nnames: [a, 'b c', 3]\n"
                                      "limits:\n  body: 7\n"
                                      "fleet:\n  - {type: AMF, count: 3}\n  - type: SMF\n"
                                      "    names: [x]\n"
                                      "store: memory\n");
    ck_assert_str_eq(config_text(config, "listen"), "[::1]:5");
    ck_assert_int_eq(config_int(config, "port"), 443);
    ck_assert_int_eq(config_int(config, "any"), -5);
    ck_assert(config_number(config, "rate") == 20);
    ck_assert(config_bool(config, "tui"));
    ck_assert_uint_eq(config_count(config, "names"), 3);
    ck_assert_str_eq(config_text_at(config, "names", 1), "b c");
    ck_assert_str_eq(config_text_at(config, "names", 2), "3");
    ck_assert_ptr_null(config_text_at(config, "names", 3));
    ck_assert_int_eq(config_int(config, "limits.body"), 7);
    ck_assert_uint_eq(config_count(config, "fleet"), 2);
    ck_assert_str_eq(config_text(config, "fleet[0].type"), "AMF");
    ck_assert_int_eq(config_int(config, "fleet[0].count"), 3);
    ck_assert_int_eq(config_int(config, "fleet[1].count"), 1);
    ck_assert_str_eq(config_text_at(config, "fleet[1].names", 0), "x");
    ck_assert_ptr_null(config_text(config, "fleet[2].type"));
    ck_assert(config_is_set(config, "fleet[0].count"));
    ck_assert(!config_is_set(config, "fleet[1].count"));
    ck_assert_ptr_null(config_positional(config, 0));
}
END_TEST

/* clang-format off */
static const struct { const char *text, *message; } wrong[] = {
    {"prot: 5", "a.yaml:1: prot: unknown key; did you mean \"port\"?"},
    {"\n\nwholly_else: 5", "a.yaml:3: wholly_else: unknown key"},
    {"limits:\n  boddy: 5", "a.yaml:2: limits.boddy: unknown key; did you mean \"body\"?"},
    {"fleet:\n  - type: AMF\n  - cuont: 3", "a.yaml:3: fleet[1].cuont: unknown key; did you mean \"count\"?"},
    {"fleet[0].type: x", "a.yaml:1: fleet[0].type: unknown key"},
    {"limits.body: 5", "a.yaml:1: limits.body: unknown key"},
    {"port: x", "a.yaml:1: port: \"x\" is not an integer"},
    {"port: \"5\"", "a.yaml:1: port: \"5\" is not an integer"},
    {"port: 5.0", "a.yaml:1: port: \"5.0\" is not an integer"},
    {"port: 0x10", "a.yaml:1: port: \"0x10\" is not an integer"},
    {"any: 9223372036854775808", "a.yaml:1: any: \"9223372036854775808\" is not an integer"},
    {"port: 0", "a.yaml:1: port: 0 is not in 1 to 65535"},
    {"port: 65536", "a.yaml:1: port: 65536 is not in 1 to 65535"},
    {"rate: nan", "a.yaml:1: rate: \"nan\" is not a number"},
    {"rate: 1e999", "a.yaml:1: rate: \"1e999\" is not a number"},
    {"rate: -1", "a.yaml:1: rate: -1 is not in 0 to 100"},
    {"tui: yes", "a.yaml:1: tui: \"yes\" is not true or false"},
    {"life: 5 days", "a.yaml:1: life: \"5 days\" is not a duration such as 90d, 12h, 5m, 30s or 250ms"},
    {"life: 10ms", "a.yaml:1: life: 10ms is not in 1 to 100000000 seconds"},
    {"store: memry", "a.yaml:1: store: \"memry\" is not one of sqlite|memory; did you mean \"memory\"?"},
    {"ways: [a, d]", "a.yaml:1: ways: \"d\" is not one of a|b|c"},
    {"port: [5]", "a.yaml:1: port: a sequence where one value is wanted"},
    {"port: {a: 5}", "a.yaml:1: port: a mapping where one value is wanted"},
    {"names: x", "a.yaml:1: names: not a sequence of texts"},
    {"names: [[x]]", "a.yaml:1: names: a sequence where one value is wanted"},
    {"limits: 5", "a.yaml:1: limits: not a mapping"},
    {"fleet: {type: AMF}", "a.yaml:1: fleet: not a sequence of mappings"},
    {"fleet: [AMF]", "a.yaml:1: fleet[0]: not a mapping"},
    {"[a]", "a.yaml:1: not a mapping"},
    {"word", "a.yaml:1: not a mapping"},
    {"port: 5\nport: 6", "a.yaml:2: port: given twice"},
    {"port: 5\n'port': 6", "a.yaml:2: port: given twice"},
    {"? [a]\n: 5", "a.yaml:1: a key that is not a text"},
    {"port: 5\n---\nport: 6", "a.yaml:3: a second document"},
    {"listen: \"a\\0b\"", "a.yaml:1: a NUL inside a text"},
};
/* clang-format on */

START_TEST(what_is_wrong_is_named_by_file_line_and_key) {
    for (unsigned i = 0; i < COUNT(wrong); i++) {
        struct err err = {0};
        AUTO(config_free) struct config *config = read_sets(wrong[i].text, NULL, &err);
        ck_assert_msg(config == NULL, "%s", wrong[i].text);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_str_eq(err.detail, wrong[i].message);
    }
}
END_TEST

START_TEST(what_is_not_yaml_is_named_by_its_line) {
    static const char *const texts[] = {"port: 5\n  x: [", "a: b: c", "\t- x", "port: *none"};
    for (unsigned i = 0; i < COUNT(texts); i++) {
        struct err err = {0};
        ck_assert_ptr_null(read_sets(texts[i], NULL, &err));
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strncmp(err.detail, "a.yaml:", 7) == 0, "%s", err.detail);
        ck_assert_msg(strstr(err.detail, "not YAML") != NULL, "%s", err.detail);
    }
}
END_TEST

START_TEST(aliases_are_followed_but_cannot_multiply) {
    AUTO(config_free)
    struct config *config = read_good("names: &n [x]\nways: [a]\n"
                                      "fleet: [{type: &t AMF}, {type: *t}]");
    ck_assert_str_eq(config_text(config, "fleet[1].type"), "AMF");
    AUTO(buf_done) struct buf laughs = buf_new(10000);
    (void)buf_text(&laughs, "names:\n- &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (unsigned i = 1; i < 10; i++) {
        (void)buf_printf(&laughs, "- &a%u [", i);
        for (unsigned j = 0; j < 10; j++) {
            (void)buf_printf(&laughs, "%s*a%u", j == 0 ? "" : ",", i - 1);
        }
        (void)buf_text(&laughs, "]\n");
    }
    struct err err = {0};
    ck_assert_ptr_null(read_sets(laughs.data, NULL, &err));
    ck_assert_ptr_nonnull(strstr(err.detail, "too many values"));
    struct err itself = {0};
    ck_assert_ptr_null(read_sets("names: &a [*a]", NULL, &itself));
    ck_assert_ptr_nonnull(strstr(itself.detail, "nested too deeply"));
}
END_TEST

START_TEST(a_document_is_at_most_1_mib) {
    AUTO(buf_done) struct buf text = buf_new(FILE_BYTES_MAX + 10);
    (void)buf_text(&text, "#");
    while (buf_text(&text, "x")) {
    }
    struct err err = {0};
    ck_assert_ptr_null(config_read_text("a.yaml", text.data, FILE_BYTES_MAX + 1, keys, NULL, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    struct err none = {0};
    AUTO(config_free)
    struct config *config =
        config_read_text("a.yaml", text.data, FILE_BYTES_MAX, keys, NULL, &none);
    ck_assert_msg(config != NULL, "%s", none.detail);
}
END_TEST

START_TEST(sets_edit_the_document_before_it_is_checked) {
    static const char *const sets[] = {"port=9",
                                       "limits.body=3",
                                       "fleet[0].count=5",
                                       "fleet[2].type=UPF",
                                       "fleet[2].names=x",
                                       "fleet[2].names[1]=y",
                                       "names=[a, b]",
                                       "names[0]=c=d",
                                       "listen=[::1]:0",
                                       "oam=",
                                       NULL};
    struct err err = {0};
    AUTO(config_free)
    struct config *config =
        read_sets("port: wrong\noam: x\nfleet:\n- type: AMF\n- type: SMF\n", sets, &err);
    ck_assert_msg(config != NULL, "%s", err.detail);
    ck_assert_int_eq(config_int(config, "port"), 9);
    ck_assert_int_eq(config_int(config, "limits.body"), 3);
    ck_assert_str_eq(config_text(config, "fleet[0].type"), "AMF");
    ck_assert_int_eq(config_int(config, "fleet[0].count"), 5);
    ck_assert_str_eq(config_text(config, "fleet[2].type"), "UPF");
    ck_assert_str_eq(config_text_at(config, "fleet[2].names", 1), "y");
    ck_assert_str_eq(config_text_at(config, "names", 0), "c=d");
    ck_assert_str_eq(config_text_at(config, "names", 1), "b");
    ck_assert_str_eq(config_text(config, "listen"), "[::1]:0");
    ck_assert_ptr_null(config_text(config, "oam"));
}
END_TEST

START_TEST(a_set_may_bring_a_whole_part) {
    static const char *const sets[] = {"fleet=[{type: AMF, count: 2}, {type: SMF}]",
                                       "fleet[1]={type: NRF}", "limits={body: 5}", NULL};
    struct err err = {0};
    AUTO(config_free) struct config *config = read_sets("fleet: [{type: X}]", sets, &err);
    ck_assert_msg(config != NULL, "%s", err.detail);
    ck_assert_uint_eq(config_count(config, "fleet"), 2);
    ck_assert_str_eq(config_text(config, "fleet[1].type"), "NRF");
    ck_assert_int_eq(config_int(config, "limits.body"), 5);
}
END_TEST

/* clang-format off */
static const struct { const char *set, *message; } wrong_sets[] = {
    {"port", "--set: \"port\" is not path=value"},
    {"=5", "--set: \"=5\" is not path=value"},
    {"prot=5", "--set: prot: unknown key; did you mean \"port\"?"},
    {"fleet[0].cuont=5", "--set: fleet[0].cuont: unknown key; did you mean \"fleet[].count\"?"},
    {"port[0]=5", "--set: port[0]: unknown key"},
    {"port=x", "--set: port: \"x\" is not an integer"},
    {"fleet[7].type=x", "--set: fleet[7].type: no such place in the sequence"},
    {"fleet[x].type=x", "--set: fleet[x].type: unknown key; did you mean \"fleet[].type\"?"},
    {"fleet[].type=x", "--set: fleet[].type: no such place in the sequence"},
    {"fleet.type=x", "--set: fleet.type: unknown key; did you mean \"fleet[].type\"?"},
    {"fleet=[", "--set:"},
    {"oam=a\xff", "--set: oam: not UTF-8 text"},
    {"fleet[0]=x", "--set: fleet[0]: not a mapping"},
};
/* clang-format on */

START_TEST(a_wrong_set_is_named) {
    for (unsigned i = 0; i < COUNT(wrong_sets); i++) {
        const char *const sets[] = {wrong_sets[i].set, NULL};
        const char *message = wrong_sets[i].message;
        struct err err = {0};
        AUTO(config_free) struct config *config = read_sets("", sets, &err);
        ck_assert_msg(config == NULL, "%s", wrong_sets[i].set);
        ck_assert_int_eq(err.kind, ERR_CONFIG);
        ck_assert_msg(strncmp(err.detail, message, strlen(message)) == 0, "%s", err.detail);
    }
}
END_TEST

START_TEST(where_a_value_came_from_can_be_told) {
    static const char *const sets[] = {"port=9", NULL};
    struct err err = {0};
    char out[100];
    AUTO(config_free) struct config *config = read_sets("fleet:\n- type: X\n", sets, &err);
    config_where(config, "fleet[0].type", out, sizeof(out));
    ck_assert_str_eq(out, "a.yaml:2: fleet[0].type");
    config_where(config, "port", out, sizeof(out));
    ck_assert_str_eq(out, "--set: port");
    config_where(config, "listen", out, sizeof(out));
    ck_assert_str_eq(out, "a.yaml: listen");
}
END_TEST

static char *printed(const struct config *config) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    config_print(config, file);
    long len = ftell(file);
    char *text = calloc(1, (size_t)len + 1);
    rewind(file);
    ck_assert_uint_eq(fread(text, 1, (size_t)len, file), (size_t)len);
    (void)fclose(file);
    return text;
}

START_TEST(what_is_printed_is_read_back_the_same) {
    AUTO(config_free)
    struct config *config =
        read_good("listen: \"x: # \\\" \\\\ \\n \\u20ac \\x80 \\x1b\"\nnames: ['', null, '~', '- "
                  "a', 'a:', '*b']\n"
                  "oam: 'null'\nlife: 1.5h\nfleet:\n- {}\n- type: ' x'\n  names: [p, q]\n");
    AUTO(free) char *first = printed(config);
    AUTO(config_free) struct config *back = read_good(first);
    AUTO(free) char *second = printed(back);
    ck_assert_str_eq(first, second);
    ck_assert_str_eq(config_text(back, "listen"), config_text(config, "listen"));
    ck_assert_str_eq(config_text(back, "oam"), "null");
    ck_assert_uint_eq(config_count(back, "names"), 6);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_str_eq(config_text_at(back, "names", i), config_text_at(config, "names", i));
    }
    ck_assert_str_eq(config_text(back, "fleet[1].type"), " x");
    ck_assert_str_eq(config_text_at(back, "fleet[1].names", 1), "q");
    ck_assert_ptr_nonnull(strstr(first, "# Port.\nport: 80\n"));
    ck_assert_ptr_nonnull(strstr(first, "limits:\n  # Body.\n  body: 100\n"));
}
END_TEST

START_TEST(a_file_is_read_and_a_missing_one_named) {
    char path[] = "/tmp/configXXXXXX";
    int fd = mkstemp(path);
    struct err err = {0};
    ck_assert_int_eq(write(fd, "port: 0\n", 8), 8);
    (void)close(fd);
    ck_assert_ptr_null(config_read(path, keys, NULL, &err));
    char message[100];
    (void)snprintf(message, sizeof(message), "%s:1: port: 0 is not in 1 to 65535", path);
    ck_assert_str_eq(err.detail, message);
    (void)unlink(path);
    struct err missing = {0};
    ck_assert_ptr_null(config_read(path, keys, NULL, &missing));
    ck_assert_int_eq(missing.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(missing.detail, path));
}
END_TEST

int main(void) {
    const TTest *tests[] = {an_empty_document_has_every_default,
                            values_are_read_by_their_paths,
                            what_is_wrong_is_named_by_file_line_and_key,
                            what_is_not_yaml_is_named_by_its_line,
                            aliases_are_followed_but_cannot_multiply,
                            a_document_is_at_most_1_mib,
                            sets_edit_the_document_before_it_is_checked,
                            a_set_may_bring_a_whole_part,
                            a_wrong_set_is_named,
                            where_a_value_came_from_can_be_told,
                            what_is_printed_is_read_back_the_same,
                            a_file_is_read_and_a_missing_one_named};
    return suite_run("config", tests, COUNT(tests));
}
