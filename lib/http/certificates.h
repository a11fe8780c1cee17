/* lib/http/certificates.h - a private certificate authority for a trial or a closed network: who
 * has a certificate of it is a program of this installation. Files in one folder, PEM: ca.crt,
 * ca.key, and NAME.crt, NAME.key for each member. Keys are P-256, mode 0600. */
#ifndef HOR_HTTP_CERTIFICATES_H
#define HOR_HTTP_CERTIFICATES_H

#include "lib/base/error.h"

/* Makes what is missing in `dir` (made when missing): the authority, and a certificate for each of
 * `names`, "a1" or "a1:host,192.0.2.7". Every certificate's common name is the member's name; it is
 * good as server (localhost, 127.0.0.1, ::1 and the hosts given) and as client. What is there stays
 * as it is, so it can be called again to add members. HOR_ERR_INVALID names the wrong name or host,
 * HOR_ERR_IO the file. */
int hor_certificates_init(const char *dir, const char *const *names, unsigned count,
                          struct hor_error *err);

#endif
