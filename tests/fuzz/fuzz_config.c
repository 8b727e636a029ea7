/* Any octets as a YAML document, and as a --set: what is accepted prints as what reads back. */
#include <string.h>

#include "common/config.h"
#include "target.h"

#define SET_MAX 200

/* clang-format off */
static const struct config_key keys[] = {
    {.path = "text", .type = CONFIG_TEXT, .help = "Text."},
    {.path = "port", .type = CONFIG_INT, .fallback = "80", .min = 1, .max = 65535, .help = "Port."},
    {.path = "rate", .type = CONFIG_NUMBER, .help = "Rate."},
    {.path = "tui", .type = CONFIG_BOOL, .fallback = "false", .help = "Table."},
    {.path = "life", .type = CONFIG_DURATION, .help = "Life."},
    {.path = "names", .type = CONFIG_TEXTS, .help = "Names."},
    {.path = "limits", .type = CONFIG_SECTION, .help = "Limits."},
    {.path = "limits.body", .type = CONFIG_INT, .help = "Body."},
    {.path = "fleet", .type = CONFIG_LIST, .help = "Fleet."},
    {.path = "fleet[].type", .type = CONFIG_TEXT, .choices = "AMF|SMF", .help = "Type."},
    {0},
};
/* clang-format on */

static char *printed(const struct config *config) {
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    PROMISE(file != NULL);
    config_print(config, file);
    (void)fclose(file);
    return text;
}

static void try_document(const char *text, size_t len, const char *const *sets) {
    struct err err = {0};
    AUTO(config_free) struct config *config = config_read_text("f", text, len, keys, sets, &err);

    PROMISE((config == NULL) == (err.kind != ERR_NONE));
    if (config == NULL) {
        return;
    }
    AUTO(free) char *first = printed(config);
    AUTO(config_free)
    struct config *back = config_read_text("f", first, strlen(first), keys, NULL, &err);
    PROMISE(back != NULL);
    AUTO(free) char *second = printed(back);
    PROMISE(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char set[SET_MAX + 1];
    size_t len = size < SET_MAX ? size : SET_MAX;
    const char *const sets[] = {set, NULL};

    memcpy(set, data, len);
    set[len] = '\0';
    try_document((const char *)data, size, NULL);
    try_document("", 0, sets);
    return 0;
}
