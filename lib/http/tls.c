/* lib/http/tls.c - the server's TLS: version 1.2 and newer, client certificates verified when a
 * client shows one, no renegotiation, no compression. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/base/str.h"
#include "lib/http/internal.h"

static int refuse(SSL_CTX *tls, const char *what, const char *file, struct hor_error *err)
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code != 0 ? ERR_reason_error_string(code) : NULL;
    hor_error_set(err, HOR_ERR_INVALID, "%s %s: %s", what, file != NULL ? file : "",
                  words != NULL ? words : "cannot be used");
    ERR_clear_error();
    SSL_CTX_free(tls);
    return HOR_ERR_INVALID;
}

int hor_http_tls_new(const struct hor_http_settings *settings, SSL_CTX **ret, struct hor_error *err)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return refuse(tls, "TLS", "cannot start", err);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS); /* idle connections give theirs back */
    SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20");
    if (settings->certificate_file == NULL ||
        SSL_CTX_use_certificate_chain_file(tls, settings->certificate_file) != 1)
        return refuse(tls, "certificate", settings->certificate_file, err);
    if (settings->key_file == NULL ||
        SSL_CTX_use_PrivateKey_file(tls, settings->key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(tls, "private key", settings->key_file, err);
    if (SSL_CTX_check_private_key(tls) != 1)
        return refuse(
            tls, "private key and certificate do not belong together:", settings->key_file, err);
    if (settings->ca_file != NULL) {
        if (SSL_CTX_load_verify_locations(tls, settings->ca_file, NULL) != 1)
            return refuse(tls, "CA certificate", settings->ca_file, err);
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->ca_file);
        SSL_CTX_set_client_CA_list(tls, names);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL); /* a client may show none */
    }
    static const unsigned char context[] =
        "horarium"; /* sessions with client certificates want one */
    SSL_CTX_set_session_id_context(tls, context, sizeof context - 1);
    *ret = tls;
    return HOR_OK;
}

char *hor_http_tls_peer_name(SSL *ssl)
{
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (certificate == NULL)
        return NULL;
    char *name = NULL;
    if (SSL_get_verify_result(ssl) == X509_V_OK) {
        X509_NAME *subject = X509_get_subject_name(certificate);
        int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
        unsigned char *utf8 = NULL;
        int len = at < 0 ? -1
                         : ASN1_STRING_to_UTF8(
                               &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        if (len > 0 && strlen((char *)utf8) == (size_t)len) /* no zero byte inside */
            name = hor_strdup((char *)utf8);
        OPENSSL_free(utf8);
    }
    X509_free(certificate);
    return name;
}
