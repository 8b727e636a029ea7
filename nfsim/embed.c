/* Build tool: turn files into a C source of named constants.
 *     embed OUT.c HEADER STRUCT [NAME FILE]...
 * Each file becomes `const struct STRUCT NAME = {octets, count};`. */
#include <stdio.h>

static int embed(FILE *out, const char *type, const char *name, const char *path) {
    FILE *in = fopen(path, "re");
    int octet = 0;
    unsigned long count = 0;

    if (in == NULL) {
        perror(path);
        return 0;
    }
    (void)fprintf(out, "\nstatic const unsigned char %s_octets[] = {", name);
    while ((octet = getc(in)) != EOF) {
        (void)fprintf(out, "%s%d,", count++ % 24 == 0 ? "\n    " : "", octet);
    }
    (void)fprintf(out, "0};\nconst struct %s %s = {%s_octets, %lu};\n", type, name, name, count);
    return fclose(in) == 0 && count > 0;
}

int main(int argc, char **argv) {
    FILE *out = argc > 5 && argc % 2 == 0 ? fopen(argv[1], "we") : NULL;

    if (out == NULL) {
        (void)fprintf(stderr, "usage: embed OUT.c HEADER STRUCT [NAME FILE]...\n");
        return 2;
    }
    (void)fprintf(out, "#include \"%s\"\n", argv[2]);
    for (int i = 4; i + 1 < argc; i += 2) {
        if (!embed(out, argv[3], argv[i], argv[i + 1])) {
            return 1;
        }
    }
    return fclose(out) == 0 ? 0 : 1;
}
