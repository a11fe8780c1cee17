/* The private authority: what it makes is accepted by OpenSSL, and a second run changes nothing. */
#include "lib/http/certificates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "lib/base/fd.h"
#include "lib/base/str.h"
#include "tests/lib/tap.h"

static X509 *read_certificate(const char *dir, const char *name)
{
    char *path = hor_path_join(dir, name);
    BIO *file = BIO_new_file(path, "r");
    X509 *certificate = file != NULL ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
    BIO_free(file);
    free(path);
    return certificate;
}

static bool chain_is_good(X509 *ca, X509 *member, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    X509_STORE_CTX_init(check, store, member, NULL);
    X509_STORE_CTX_set_purpose(check, purpose);
    bool good = X509_verify_cert(check) == 1;
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    return good;
}

static int mode_of(const char *dir, const char *name)
{
    char *path = hor_path_join(dir, name);
    struct stat st = {0};
    if (stat(path, &st) != 0)
        st.st_mode = 0;
    free(path);
    return (int)(st.st_mode & 0777);
}

int main(void)
{
    char *dir = hor_path_join(hor_tap_tmpdir(), "certificates");
    struct hor_error err;
    const char *names[] = {"m1", "a1:batch.example.org,192.0.2.7,2001:db8::1"};
    is_int(hor_certificates_init(dir, names, 2, &err), HOR_OK, "an authority and two members");
    X509 *ca = read_certificate(dir, "ca.crt"), *m1 = read_certificate(dir, "m1.crt"),
         *a1 = read_certificate(dir, "a1.crt");
    ok(ca != NULL && m1 != NULL && a1 != NULL, "the files are there");
    ok(chain_is_good(ca, m1, X509_PURPOSE_SSL_SERVER), "a member is a server");
    ok(chain_is_good(ca, a1, X509_PURPOSE_SSL_CLIENT), "a member is a client");
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(a1), NID_commonName, name, sizeof name);
    is(name, "a1", "its common name is the member's");
    is_int(X509_check_host(a1, "batch.example.org", 0, 0, NULL), 1, "good for the host given");
    is_int(X509_check_ip_asc(a1, "192.0.2.7", 0), 1, "good for the IPv4 address given");
    is_int(X509_check_ip_asc(a1, "2001:db8::1", 0), 1, "good for the IPv6 address given");
    is_int(X509_check_ip_asc(a1, "127.0.0.1", 0), 1, "good for this machine");
    is_int(X509_check_host(a1, "other.example.org", 0, 0, NULL), 0, "not good for others");
    is_int(mode_of(dir, "a1.key"), 0600, "the key is its owner's alone");
    is_int(mode_of(dir, "ca.key"), 0600, "so is the authority's");

    const char *more[] = {"m1", "a2"};
    is_int(hor_certificates_init(dir, more, 2, &err), HOR_OK, "a second run adds");
    X509 *again = read_certificate(dir, "m1.crt"), *a2 = read_certificate(dir, "a2.crt");
    ok(again != NULL && X509_cmp(m1, again) == 0, "and leaves what was there");
    ok(a2 != NULL && chain_is_good(ca, a2, X509_PURPOSE_SSL_SERVER), "by the same authority");

    const char *bad[] = {"../x", "", "ca", "x1:bad host", "x2:,", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        is_int(hor_certificates_init(dir, &bad[i], 1, &err), HOR_ERR_INVALID, "refused: '%s'",
               bad[i]);
    like(err.text, "a/b", "the message names it");
    const char *fine[] = {"c"};
    is_int(hor_certificates_init("/proc/none", fine, 1, &err), HOR_ERR_IO, "no folder: an error");
    X509_free(ca);
    X509_free(m1);
    X509_free(a1);
    X509_free(a2);
    X509_free(again);
    free(dir);
    return done_testing();
}
