/* certlint PROFILE CERTIFICATE ISSUER: the rules a certificate breaks, one a line; exit 1 when
 * there are any, 2 when it could not be read.  certlint --self-test. */
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "lint.h"

static X509 *read_pem(const char *path) {
    BIO *bio = BIO_new_file(path, "r");
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    if (cert == NULL) {
        (void)fprintf(stderr, "certlint: %s holds no certificate\n", path);
    }
    return cert;
}

static void tell(void *ctx, const char *rule, const char *what) {
    (void)printf("%s: %s: not %s\n", (const char *)ctx, rule, what);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--self-test") == 0) {
        return lint_self_test() ? 0 : 1;
    }
    if (argc != 4) {
        (void)fprintf(stderr, "certlint PROFILE CERTIFICATE ISSUER | --self-test\n");
        return 2;
    }
    X509 *cert = read_pem(argv[2]), *issuer = read_pem(argv[3]);
    int broken = cert == NULL || issuer == NULL ? -1 : lint(argv[1], cert, issuer, tell, argv[2]);
    X509_free(cert);
    X509_free(issuer);
    if (broken < 0) {
        (void)fprintf(stderr, "certlint: no such profile or certificate: %s\n", argv[1]);
        return 2;
    }
    return broken == 0 ? 0 : 1;
}
