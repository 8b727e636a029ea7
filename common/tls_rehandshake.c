/* Of the attack tests' programs alone: stands before GnuTLS's function, so that with the check off
 * a renegotiation goes through, as it would with a library that does it by itself. */
#include <dlfcn.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/guard.h"
#include "common/tls.h"

#define PATIENCE_MS 5000

ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t size) {
    ssize_t (*real)(gnutls_session_t, void *, size_t) = NULL;
    void *found = dlsym(RTLD_NEXT, "gnutls_record_recv");

    memcpy(&real, &found, sizeof real);
    ssize_t got = real(session, data, size);
    const struct tls_peer *peer = gnutls_session_get_ptr(session);
    while (got == GNUTLS_E_REHANDSHAKE && guard_off("renegotiation")) {
        int code = GNUTLS_E_AGAIN;
        while ((code = gnutls_handshake(session)) < 0 && gnutls_error_is_fatal(code) == 0) {
            struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
            (void)poll(&ready, 1, PATIENCE_MS);
        }
        got = code < 0 ? code : real(session, data, size);
    }
    return got;
}
